"""Each share is passed on at once, down every path, and only the last node's total is kept apart: the gradient that a
shared node passes on is not the complete one."""

LOSES = {"accumulation/shared_nodes"}


# %% accumulation-answer
def propagate(order, gradient):
    gradients = {node: np.zeros_like(node.value) for node in order}
    gradients[order[-1]] = gradient
    todo, done = [order[-1]], set()
    while todo:
        node = todo.pop()
        if node in done or node.pullback is None:
            continue
        done.add(node)
        for parent, share in zip(node.parents, node.pullback(gradients[node])):
            gradients[parent] = gradients[parent] + share
            todo.append(parent)
    return gradients
