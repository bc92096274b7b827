"""Both inputs of a - b get the upstream gradient with a plus."""

LOSES = {"local-derivatives/add_and_subtract"}


# %% local-derivatives-answer
def subtract_rule(g, y, a, b):
    return g, g
