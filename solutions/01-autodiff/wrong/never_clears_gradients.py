"""The gradients of all steps so far add up: `.grad` is never set back."""

LOSES = {"training/clearing"}


# %% training-answer
def train(x, y, parameters, learning_rate, steps):
    losses = []
    for _ in range(steps):
        loss = network_loss(x, y, *parameters)
        backward(loss)
        for parameter in parameters:
            parameter.value = parameter.value - learning_rate * parameter.grad
        losses.append(float(loss.value))
    return losses
