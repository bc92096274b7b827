"""Gradients are kept in float32, although all values are float64."""

LOSES = {
    "accumulation/single_path",
    "accumulation/every_node",
    "accumulation/shared_nodes",
    "accumulation/arrays_stay",
}


# %% accumulation-answer
def propagate(order, gradient):
    gradients = {node: np.zeros(node.value.shape, dtype=np.float32) for node in order}
    gradients[order[-1]] = gradient
    for node in reversed(order):
        if node.pullback is not None:
            for parent, share in zip(node.parents, node.pullback(gradients[node])):
                gradients[parent] = (gradients[parent] + share).astype(np.float32)
    return gradients
