"""backward asks the pullback of the root, and no other: right only where all parents are leaves."""

LOSES = {
    "backward/start",
    "backward/refuses",
    "backward/leaves_only",
    "backward/calls_add_up",
}


# %% backward-answer
def backward(root, gradient=None):
    if gradient is None:
        if root.value.size != 1:
            raise ValueError("root holds several numbers: take the sum first, or give gradient")
        gradient = np.ones(root.value.shape)
    if np.shape(gradient) != root.value.shape:
        raise ValueError(f"gradient is {np.shape(gradient)}, root is {root.value.shape}")
    for node, share in zip(root.parents, root.pullback(gradient) if root.parents else ()):
        node.grad = share if node.grad is None else node.grad + share
