"""A root of several numbers is started with ones, and a gradient of any shape is taken."""

LOSES = {"backward/refuses"}


# %% backward-answer
def backward(root, gradient=None):
    if gradient is None:
        gradient = np.ones_like(root.value)
    for node, total in propagate(topological_order(root), gradient).items():
        if not node.parents:
            node.grad = total if node.grad is None else node.grad + total
