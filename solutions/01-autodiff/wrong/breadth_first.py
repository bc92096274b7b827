"""Breadth-first search, turned round: nodes near the root come last, but a node near the root can also be a parent of
one that is further away."""

LOSES = {"topological-order/parents_first"}


# %% topological-order-answer
def topological_order(root):
    order, seen = [root], {root}
    for node in order:
        for parent in node.parents:
            if parent not in seen:
                seen.add(parent)
                order.append(parent)
    return order[::-1]
