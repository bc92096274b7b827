"""The rows are added up in the first row of g itself."""

LOSES = {"unbroadcast/both_and_neither"}


# %% unbroadcast-answer
def unbroadcast(g, shape):
    while g.ndim > len(shape):
        for row in g[1:]:
            g[0] += row
        g = g[0]
    stretched = tuple(i for i, length in enumerate(shape) if length == 1)
    return np.array(g).sum(axis=stretched, keepdims=True)
