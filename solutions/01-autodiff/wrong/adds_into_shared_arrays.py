"""`+=` on an array adds into it, and other nodes hold the same array as their gradient."""

LOSES = {"accumulation/arrays_stay"}


# %% accumulation-answer
def propagate(order, gradient):
    gradients = {order[-1]: gradient}
    for node in reversed(order):
        if node.pullback is None:
            continue
        for parent, share in zip(node.parents, node.pullback(gradients[node])):
            if parent in gradients:
                gradients[parent] += share
            else:
                gradients[parent] = share
    return gradients
