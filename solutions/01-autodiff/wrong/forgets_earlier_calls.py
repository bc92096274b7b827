"""A second backward replaces the gradients of the first, instead of adding to them."""

LOSES = {"backward/calls_add_up"}


# %% backward-answer
def backward(root, gradient=None):
    if gradient is None:
        if root.value.size != 1:
            raise ValueError("root holds several numbers: take the sum first, or give gradient")
        gradient = np.ones_like(root.value)
    if gradient.shape != root.value.shape:
        raise ValueError(f"gradient is {gradient.shape}, root is {root.value.shape}")
    for node, total in propagate(topological_order(root), gradient).items():
        if not node.parents:
            node.grad = total
