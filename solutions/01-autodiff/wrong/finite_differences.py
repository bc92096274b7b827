"""Differences with a small step instead of derivatives: close, but only to some eight digits."""

LOSES = {"local-derivatives/exp", "local-derivatives/log", "local-derivatives/tanh"}


# %% local-derivatives-answer
def slope(f, a, h=1e-4):
    return (f(a + h) - f(a - h)) / (2 * h)


def exp_rule(g, y, a):
    return g * slope(np.exp, a)


def log_rule(g, y, a):
    return g * slope(np.log, a)


def tanh_rule(g, y, a):
    return g * slope(np.tanh, a)
