"""relu passes the gradient on at 0 too."""

LOSES = {"local-derivatives/relu"}


# %% local-derivatives-answer
def relu_rule(g, y, a):
    return np.where(a >= 0, g, 0.0)
