"""Looks neither at the root nor at parents: all nodes that were ever made, in the order of their creation."""

LOSES = {
    "topological-order/every_node_once",
    "topological-order/parents_first",
    "topological-order/shared_nodes_once",
    "topological-order/deep_chain",
}


# %% topological-order-answer
made = []
plain_init = Node.__init__


def noting_init(self, *arguments, **named):
    plain_init(self, *arguments, **named)
    made.append(self)


Node.__init__ = noting_init


def topological_order(root):
    return made[: made.index(root) + 1]
