"""The dynamic graph: Tensors that record their operations, and all kinds of derivatives of them."""

from dlcourse.autodiff import creation
from dlcourse.autodiff.anomaly import detect_anomaly
from dlcourse.autodiff.batching import vmap
from dlcourse.autodiff.creation import *  # noqa: F403
from dlcourse.autodiff.custom import checkpoint, custom_gradient
from dlcourse.autodiff.gradcheck import gradcheck, gradgradcheck
from dlcourse.autodiff.node import Node, leaves_of
from dlcourse.autodiff.recording import (
    enable_grad,
    is_grad_enabled,
    is_recording,
    no_grad,
    set_grad_enabled,
)
from dlcourse.autodiff.tape import GradientTape
from dlcourse.autodiff.tensor import Tensor, gradients, raw_value
from dlcourse.autodiff.transforms import (
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    value_and_grad,
    vjp,
)

__all__ = [
    "GradientTape", "Node", "Tensor", "checkpoint", "custom_gradient", "detect_anomaly",
    "enable_grad", "grad", "gradcheck", "gradgradcheck", "gradients", "hessian", "hvp",
    "is_grad_enabled", "is_recording", "jacobian", "jvp", "leaves_of", "no_grad", "raw_value",
    "set_grad_enabled", "value_and_grad", "vjp", "vmap", *creation.__all__,
]  # fmt: skip
