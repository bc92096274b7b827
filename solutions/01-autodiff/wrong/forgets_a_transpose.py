"""The gradient for b is built with `a` as it is, not with its transpose."""

LOSES = {"shape-rules/matmul_b"}


# %% shape-rules-answer
def matmul_rule(g, y, a, b):
    return g @ b.T, np.resize(a, a.shape[::-1]) @ g
