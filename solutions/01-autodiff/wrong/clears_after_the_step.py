"""The gradients are cleared after the step: what .grad held before the first one counts."""

LOSES = {"training/clearing"}


# %% training-answer
def train(x, y, parameters, learning_rate, steps):
    losses = []
    for _ in range(steps):
        loss = network_loss(x, y, *parameters)
        backward(loss)
        for parameter in parameters:
            parameter.value = parameter.value - learning_rate * parameter.grad
            parameter.grad = None
        losses.append(float(loss.value))
    return losses
