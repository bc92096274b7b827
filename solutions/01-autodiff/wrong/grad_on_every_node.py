""".grad is set on every node, not only on the leaves."""

LOSES = {"backward/leaves_only"}


# %% backward-answer
def backward(root, gradient=None):
    if gradient is None:
        if root.value.size != 1:
            raise ValueError("root holds several numbers: take the sum first, or give gradient")
        gradient = np.ones(root.value.shape)
    if np.shape(gradient) != root.value.shape:
        raise ValueError(f"gradient is {np.shape(gradient)}, root is {root.value.shape}")
    for node, total in propagate(topological_order(root), gradient).items():
        node.grad = total if node.grad is None else node.grad + total
