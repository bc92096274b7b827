"""Only the axes that were missing are summed over, not those of length 1."""

LOSES = {"unbroadcast/stretched_axes", "unbroadcast/both_and_neither"}


# %% unbroadcast-answer
def unbroadcast(g, shape):
    while g.ndim > len(shape):
        g = g.sum(axis=0)
    return g
