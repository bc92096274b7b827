"""`if axis` is false for axis 0, too."""

LOSES = {"shape-rules/sum_over_an_axis"}


# %% shape-rules-answer
def sum_rule(g, y, a, axis=None, keepdims=False):
    if keepdims:
        return np.broadcast_to(g, a.shape)
    if axis:
        return np.broadcast_to(np.expand_dims(g, axis), a.shape)
    return np.full(a.shape, np.ravel(g)[0])
