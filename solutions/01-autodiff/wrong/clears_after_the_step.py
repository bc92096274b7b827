"""Gradients are cleared after each step, so what was in .grad before spoils the first one."""

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
