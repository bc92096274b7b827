"""A second backward adds into the array that is in .grad, and that array may be the one that was given."""

LOSES = {"backward/given_arrays_stay"}


# %% backward-answer
def backward(root, gradient=None):
    if gradient is None:
        if root.value.size != 1:
            raise ValueError("root holds several numbers: take the sum first, or give gradient")
        gradient = np.ones(root.value.shape)
    if np.shape(gradient) != root.value.shape:
        raise ValueError(f"gradient is {np.shape(gradient)}, root is {root.value.shape}")
    for node, total in propagate(topological_order(root), gradient).items():
        if not node.parents:
            if node.grad is None:
                node.grad = total
            else:
                node.grad += total
