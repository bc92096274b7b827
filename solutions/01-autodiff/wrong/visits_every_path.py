"""Whether a node was seen is asked only when it is written down: every path is walked, and their number doubles with
every level."""

LOSES = {"topological-order/shared_nodes_once"}


# %% topological-order-answer
def topological_order(root):
    order, written = [], set()
    stack = [(root, False)]
    while stack:
        node, parents_done = stack.pop()
        if not parents_done:
            stack.append((node, True))
            stack.extend((parent, False) for parent in node.parents)
        elif node not in written:
            written.add(node)
            order.append(node)
    return order
