"""The list has all nodes that the root was computed from, but not the root."""

LOSES = {"topological-order/every_node_once"}


# %% topological-order-answer
def topological_order(root):
    order, seen = [], set()
    stack = [(root, False)]
    while stack:
        node, parents_done = stack.pop()
        if parents_done:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack.extend((parent, False) for parent in node.parents)
    return order[:-1]
