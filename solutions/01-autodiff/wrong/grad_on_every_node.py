"""Every node of the graph gets a .grad, not the leaves alone."""

LOSES = {"backward/leaves_only"}


# %% backward-answer
def backward(root, gradient=None):
    if gradient is None:
        if root.value.size != 1:
            raise ValueError("root must hold a single number")
        gradient = np.ones(root.value.shape)
    if np.shape(gradient) != root.value.shape:
        raise ValueError("gradient must have the shape of the root")
    for node, total in propagate(topological_order(root), gradient).items():
        node.grad = total if node.grad is None else node.grad + total
