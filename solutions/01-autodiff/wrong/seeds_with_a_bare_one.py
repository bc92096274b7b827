"""The start is the number 1 whatever the shape of the root."""

LOSES = {"backward/start"}


# %% backward-answer
def backward(root, gradient=None):
    if gradient is None:
        if root.value.size != 1:
            raise ValueError("root holds several numbers: take the sum first, or give gradient")
        gradient = np.array(1.0)
    elif gradient.shape != root.value.shape:
        raise ValueError(f"gradient is {gradient.shape}, root is {root.value.shape}")
    for node, total in propagate(topological_order(root), gradient).items():
        if not node.parents:
            node.grad = total if node.grad is None else node.grad + total
