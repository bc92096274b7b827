"""Shapes are lined up from the left: the axes on the right are summed over, instead of those on the left."""

LOSES = {"unbroadcast/added_axes", "unbroadcast/both_and_neither"}


# %% unbroadcast-answer
def unbroadcast(g, shape):
    added = g.ndim - len(shape)
    g = g.sum(axis=tuple(range(g.ndim - added, g.ndim)))
    stretched = tuple(i for i, length in enumerate(shape) if length == 1)
    return g.sum(axis=stretched, keepdims=True)
