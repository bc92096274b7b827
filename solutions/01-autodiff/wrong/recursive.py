"""A function that calls itself for each parent: right, but Python gives up on a deep graph."""

LOSES = {"topological-order/deep_chain"}


# %% topological-order-answer
def topological_order(root):
    order, seen = [], set()

    def visit(node):
        if node in seen:
            return
        seen.add(node)
        for parent in node.parents:
            visit(parent)
        order.append(node)

    visit(root)
    return order
