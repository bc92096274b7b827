"""The rules return the local derivative alone: right only where the upstream gradient is 1."""

LOSES = {
    "local-derivatives/add_and_subtract",
    "local-derivatives/multiply",
    "local-derivatives/divide",
    "local-derivatives/exp",
    "local-derivatives/log",
    "local-derivatives/tanh",
    "local-derivatives/relu",
}


# %% local-derivatives-answer
def add_rule(g, y, a, b):
    return np.ones_like(a), np.ones_like(b)


def subtract_rule(g, y, a, b):
    return np.ones_like(a), -np.ones_like(b)


def multiply_rule(g, y, a, b):
    return b, a


def divide_rule(g, y, a, b):
    return 1 / b, -a / b**2


def exp_rule(g, y, a):
    return y


def log_rule(g, y, a):
    return 1 / a


def tanh_rule(g, y, a):
    return 1 - y**2


def relu_rule(g, y, a):
    return (a > 0).astype(float)
