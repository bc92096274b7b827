"""`if not gradient` is true for a gradient of 0, too."""

LOSES = {"backward/start"}


# %% backward-answer
def backward(root, gradient=None):
    if gradient is None or (gradient.size == 1 and not gradient):
        if root.value.size != 1:
            raise ValueError("root holds several numbers: take the sum first, or give gradient")
        gradient = np.ones(root.value.shape)
    if np.shape(gradient) != root.value.shape:
        raise ValueError(f"gradient is {np.shape(gradient)}, root is {root.value.shape}")
    for node, total in propagate(topological_order(root), gradient).items():
        if not node.parents:
            node.grad = total if node.grad is None else node.grad + total
