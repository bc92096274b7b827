"""A stretched number gets the mean of its gradients instead of their sum."""

LOSES = {"unbroadcast/added_axes", "unbroadcast/stretched_axes", "unbroadcast/both_and_neither"}


# %% unbroadcast-answer
def unbroadcast(g, shape):
    added = g.ndim - len(shape)
    g = g.mean(axis=tuple(range(added)))
    stretched = tuple(i for i, length in enumerate(shape) if length == 1)
    return g.mean(axis=stretched, keepdims=True)
