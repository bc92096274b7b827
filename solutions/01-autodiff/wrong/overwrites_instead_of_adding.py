"""The gradient that arrives last at a shared node replaces those before it, instead of being added."""

LOSES = {"accumulation/shared_nodes"}


# %% accumulation-answer
def propagate(order, gradient):
    gradients = {order[-1]: gradient}
    for node in reversed(order):
        if node.pullback is not None:
            gradients.update(zip(node.parents, node.pullback(gradients[node])))
    return gradients
