"""backward raises a ValueError whatever it is given."""

LOSES = {
    "backward/start",
    "backward/refuses",
    "backward/leaves_only",
    "backward/calls_add_up",
    "backward/given_arrays_stay",
}


# %% backward-answer
def backward(root, gradient=None):
    raise ValueError("no")
