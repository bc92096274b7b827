"""Only the parents of the root get a gradient; what they were computed from gets none."""

LOSES = {"backward/start", "backward/refuses", "backward/leaves_only", "backward/calls_add_up"}


# %% backward-answer
def backward(root, gradient=None):
    if gradient is None:
        if root.value.size != 1:
            raise ValueError("root must hold a single number")
        gradient = np.ones(root.value.shape)
    if np.shape(gradient) != root.value.shape:
        raise ValueError("gradient must have the shape of the root")
    for node, share in zip(root.parents, root.pullback(gradient)):
        if not node.parents:
            node.grad = share if node.grad is None else node.grad + share
