"""A node that waits on the stack twice is written down twice."""

LOSES = {"topological-order/every_node_once", "topological-order/shared_nodes_once"}


# %% topological-order-answer
def topological_order(root):
    order, seen = [], set()
    stack = [(root, False)]
    while stack:
        node, parents_done = stack.pop()
        if parents_done or node in seen:
            order.append(node)
        else:
            seen.add(node)
            stack.append((node, True))
            stack.extend((parent, False) for parent in node.parents)
    return order
