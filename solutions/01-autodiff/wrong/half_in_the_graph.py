"""One factor of the square is a value: the loss is right, its gradient is half of what it should be."""

LOSES = {"network-loss/loss_graph"}


# %% network-loss-answer
def network_loss(x, y, w1, b1, w2, b2):
    error = tanh(x @ w1 + b1) @ w2 + b2 - y
    return (error * error.value).sum() / len(x)
