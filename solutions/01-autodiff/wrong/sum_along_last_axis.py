"""The gradient of a sum is left to broadcasting: right only where the summed axis was the first, or was kept."""

LOSES = {"shape-rules/sum_over_an_axis", "shape-rules/sum_over_a_negative_axis"}


# %% shape-rules-answer
def sum_rule(g, y, a, axis=None, keepdims=False):
    return g * np.ones(a.shape)
