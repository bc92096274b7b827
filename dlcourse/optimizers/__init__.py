"""Optimizers: rules that move parameters against their gradients.

- ``base``: parameter groups, the state and its dict, how a rule is run
- ``momentum``: GD, SGD, Lion
- ``adaptive``: Adagrad, Adadelta, RMSprop
- ``adam``: Adam (and AMSGrad), AdamW, Adamax, NAdam
- ``lbfgs``: LBFGS
- ``clipping``: gradients held to a range or a norm
- ``schedules``: learning rates that are functions of the step number
- ``one_cycle``: one that rises and falls, with the momentum
- ``programs``: schedules one after another or together, or waiting for a plateau

Names and arguments are those of torch.optim. Where Keras computes something else,
``form="keras"`` gives its formula and its defaults.
"""

from dlcourse.optimizers.adam import Adam, Adamax, AdamW, NAdam
from dlcourse.optimizers.adaptive import Adadelta, Adagrad, RMSprop
from dlcourse.optimizers.base import ElementwiseOptimizer, Optimizer
from dlcourse.optimizers.clipping import (
    clip_by_norm,
    clip_by_value,
    clip_grad_norm_,
    clip_grad_value_,
    global_norm,
)
from dlcourse.optimizers.lbfgs import LBFGS
from dlcourse.optimizers.momentum import GD, SGD, Lion
from dlcourse.optimizers.one_cycle import OneCycleLR
from dlcourse.optimizers.programs import ChainedScheduler, ReduceLROnPlateau, SequentialLR
from dlcourse.optimizers.schedules import (
    ConstantLR,
    CosineAnnealingLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    LRScheduler,
    MultiplicativeLR,
    MultiStepLR,
    PolynomialLR,
    Schedule,
    StepLR,
)

__all__ = [
    "GD", "LBFGS", "SGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "ChainedScheduler",
    "ConstantLR", "CosineAnnealingLR", "ElementwiseOptimizer", "ExponentialLR", "LRScheduler",
    "LambdaLR", "LinearLR", "Lion", "MultiStepLR", "MultiplicativeLR", "NAdam", "OneCycleLR",
    "Optimizer", "PolynomialLR", "RMSprop", "ReduceLROnPlateau", "Schedule", "SequentialLR",
    "StepLR", "clip_by_norm", "clip_by_value", "clip_grad_norm_", "clip_grad_value_",
    "global_norm",
]  # fmt: skip
