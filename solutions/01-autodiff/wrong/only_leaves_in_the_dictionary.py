"""The dictionary has the gradients of the leaves, and of no other node."""

LOSES = {"accumulation/every_node"}


# %% accumulation-answer
def propagate(order, gradient):
    gradients = {order[-1]: gradient}
    for node in reversed(order):
        if node.pullback is None:
            continue
        for parent, share in zip(node.parents, node.pullback(gradients.pop(node))):
            gradients[parent] = gradients[parent] + share if parent in gradients else share
    return gradients
