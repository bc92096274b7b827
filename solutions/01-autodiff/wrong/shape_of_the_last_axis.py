"""The summed axis is put back by slices of the shape, and `axis + 1` is 0 for the last axis, -1."""

LOSES = {"shape-rules/sum_over_a_negative_axis"}


# %% shape-rules-answer
def sum_rule(g, y, a, axis=None, keepdims=False):
    if axis is not None and not keepdims:
        g = g.reshape(a.shape[:axis] + (1,) + a.shape[axis + 1 :])
    return g * np.ones(a.shape)
