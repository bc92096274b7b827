"""All nodes that exist, in the order in which they were made, whatever the root."""

LOSES = {
    "topological-order/every_node_once",
    "topological-order/parents_first",
    "topological-order/shared_nodes_once",
    "topological-order/deep_chain",
}


# %% topological-order-answer
made = []
make = Node.__init__


def remember(node, *arguments, **named):
    make(node, *arguments, **named)
    made.append(node)


Node.__init__ = remember


def topological_order(root):
    return made[: made.index(root) + 1] if root in made else [root]
