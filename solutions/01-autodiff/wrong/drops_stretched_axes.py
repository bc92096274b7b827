"""Stretched axes are summed over without keepdims: the numbers are right, the shape is not."""

LOSES = {"unbroadcast/stretched_axes", "unbroadcast/both_and_neither"}


# %% unbroadcast-answer
def unbroadcast(g, shape):
    added = g.ndim - len(shape)
    g = g.sum(axis=tuple(range(added)))
    return g.sum(axis=tuple(i for i, length in enumerate(shape) if length != g.shape[i]))
