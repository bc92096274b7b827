"""The list has the root and its parents, but not their parents."""

LOSES = {
    "topological-order/every_node_once",
    "topological-order/parents_first",
    "topological-order/shared_nodes_once",
    "topological-order/deep_chain",
}


# %% topological-order-answer
def topological_order(root):
    return [*dict.fromkeys(root.parents), root]
