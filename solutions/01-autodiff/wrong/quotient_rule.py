"""The derivative of a / b by b, without its minus and with b instead of its square."""

LOSES = {"local-derivatives/divide"}


# %% local-derivatives-answer
def divide_rule(g, y, a, b):
    return g / b, g * a / b
