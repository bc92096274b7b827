"""The summed axis is put back into the gradient even where keepdims has left it there."""

LOSES = {"shape-rules/sum_with_keepdims"}


# %% shape-rules-answer
def sum_rule(g, y, a, axis=None, keepdims=False):
    if axis is not None:
        g = np.expand_dims(g, axis)
    return g * np.ones(a.shape)
