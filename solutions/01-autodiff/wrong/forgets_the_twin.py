"""The contributions go into a dictionary by parent first: of two to the same parent, as in x * x, one is lost."""

LOSES = {"accumulation/shared_nodes"}


# %% accumulation-answer
def propagate(order, gradient):
    gradients = {order[-1]: gradient}
    for node in reversed(order):
        if node.pullback is None:
            continue
        shares = dict(zip(node.parents, node.pullback(gradients[node])))
        for parent, share in shares.items():
            gradients[parent] = gradients[parent] + share if parent in gradients else share
    return gradients
