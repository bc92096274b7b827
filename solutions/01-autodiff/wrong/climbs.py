"""The step goes with the gradient instead of against it."""

LOSES = {"training/one_step", "training/clearing"}


# %% training-answer
def train(x, y, parameters, learning_rate, steps):
    losses = []
    for _ in range(steps):
        loss = network_loss(x, y, *parameters)
        for parameter in parameters:
            parameter.grad = None
        backward(loss)
        for parameter in parameters:
            parameter.value = parameter.value + learning_rate * parameter.grad
        losses.append(float(loss.value))
    return losses
