"""`node in order` looks through the whole list: right, but the time grows with the square of the graph."""

LOSES = {"topological-order/deep_chain"}


# %% topological-order-answer
def topological_order(root):
    order = []
    stack = [root]
    while stack:
        node = stack[-1]
        waiting = [parent for parent in node.parents if parent not in order]
        if waiting:
            stack.append(waiting[0])
        else:
            stack.pop()
            if node not in order:
                order.append(node)
    return order
