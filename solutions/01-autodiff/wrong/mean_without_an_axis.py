"""The gradient of a sum over everything is divided by the number of elements."""

LOSES = {"shape-rules/sum_of_everything"}


# %% shape-rules-answer
def sum_rule(g, y, a, axis=None, keepdims=False):
    if axis is None:
        return np.broadcast_to(g / a.size, a.shape)
    if not keepdims:
        g = np.expand_dims(g, axis)
    return g * np.ones(a.shape)
