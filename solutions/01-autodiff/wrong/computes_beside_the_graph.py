"""The loss is computed with the values: the number is right, but the graph does not lead back to the parameters."""

LOSES = {"network-loss/loss_graph"}


# %% network-loss-answer
def network_loss(x, y, w1, b1, w2, b2):
    prediction = np.tanh(x @ w1.value + b1.value) @ w2.value + b2.value
    return Node(np.mean((prediction - y) ** 2))
