"""The squared errors are added up, and not divided by their number."""

LOSES = {"network-loss/loss_value"}


# %% network-loss-answer
def network_loss(x, y, w1, b1, w2, b2):
    error = tanh(x @ w1 + b1) @ w2 + b2 - y
    return (error * error).sum()
