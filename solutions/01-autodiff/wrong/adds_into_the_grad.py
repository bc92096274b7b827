"""`+=` changes the array that was .grad before, which may belong to somebody else."""

LOSES = {"backward/given_arrays_stay"}


# %% backward-answer
def backward(root, gradient=None):
    if gradient is None:
        if root.value.size != 1:
            raise ValueError("root must hold a single number")
        gradient = np.ones(root.value.shape)
    if np.shape(gradient) != root.value.shape:
        raise ValueError("gradient must have the shape of the root")
    for node, total in propagate(topological_order(root), gradient).items():
        if not node.parents:
            if node.grad is None:
                node.grad = total
            else:
                node.grad += total
