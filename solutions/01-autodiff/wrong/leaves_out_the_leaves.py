"""The list has only those nodes that were computed from others."""

LOSES = {
    "topological-order/every_node_once",
    "topological-order/shared_nodes_once",
    "topological-order/deep_chain",
}


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
            stack.extend((parent, False) for parent in node.parents if parent.parents)
    return order
