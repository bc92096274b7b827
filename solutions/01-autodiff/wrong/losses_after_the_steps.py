"""Each loss is computed again after the step."""

LOSES = {"training/losses_before"}


# %% training-answer
def train(x, y, parameters, learning_rate, steps):
    losses = []
    for _ in range(steps):
        for parameter in parameters:
            parameter.grad = None
        backward(network_loss(x, y, *parameters))
        for parameter in parameters:
            parameter.value = parameter.value - learning_rate * parameter.grad
        losses.append(float(network_loss(x, y, *parameters).value))
    return losses
