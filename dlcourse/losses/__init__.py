"""Loss functions: how far a prediction is from the truth, as one number to minimise.

Each is written with the operations of the table, so it runs on arrays, on Tensors (the dynamic
graph) and on Symbols (a static graph). The names are PyTorch's without ``_loss``; ``mse`` and
``mae`` are Keras's. Shapes and dtypes are always checked; values, such as the range of labels,
only where they are known, which those of a Symbol are not.
"""

from dlcourse.losses.binary import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    focal,
    hinge,
    squared_hinge,
)
from dlcourse.losses.embedding import cosine_embedding, cosine_similarity, triplet_margin
from dlcourse.losses.multiclass import cross_entropy, kl_div, multi_margin, nll
from dlcourse.losses.penalties import elastic_net_penalty, l1_penalty, l2_penalty
from dlcourse.losses.regression import huber, log_cosh, mae, mse, smooth_l1

__all__ = [
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "cosine_embedding",
    "cosine_similarity", "cross_entropy", "elastic_net_penalty", "focal", "hinge", "huber",
    "kl_div", "l1_penalty", "l2_penalty", "log_cosh", "mae", "mse", "multi_margin", "nll",
    "smooth_l1", "squared_hinge", "triplet_margin",
]  # fmt: skip
