"""The loss is a node with the right value and parents, but with no way back."""

LOSES = {"network-loss/loss_graph"}


# %% network-loss-answer
def network_loss(x, y, w1, b1, w2, b2):
    error = tanh(x @ w1 + b1) @ w2 + b2 - y
    return Node(np.mean(error.value**2), [w1, b1, w2, b2])
