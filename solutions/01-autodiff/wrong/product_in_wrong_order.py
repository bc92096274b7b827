"""The factors of the matrix product's gradients, in the wrong order: the shapes only fit if all are square."""

LOSES = {"shape-rules/matmul_a", "shape-rules/matmul_b"}


# %% shape-rules-answer
def matmul_rule(g, y, a, b):
    return b.T @ g, g @ a.T
