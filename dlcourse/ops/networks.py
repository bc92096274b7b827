"""The functions of layers, composed of the table's operations, named as in torch.nn.functional.

The table's convolutions and poolings work for any number of spatial axes; here are the usual one
and two. Batches come first, then channels: (batch, channels, length) or (batch, channels, height,
width). ``stride``, ``dilation`` and ``padding`` are one integer, or one for each spatial axis.
``padding`` may also be "valid" (none) or "same": the length of the result is then that of the input
divided by the stride and rounded up, as in TensorFlow; with a stride of 1 this is PyTorch's "same".
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dlcourse.ops import table
from dlcourse.ops.convolution import EachAxis, Padding, each_axis
from dlcourse.ops.primitive import as_value
from dlcourse.ops.rules import widened

__all__ = [
    "avg_pool1d", "avg_pool2d", "batch_norm", "conv1d", "conv2d", "conv_transpose1d",
    "conv_transpose2d", "dropout", "layer_norm", "max_pool1d", "max_pool2d",
]  # fmt: skip


def conv1d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: EachAxis = 1,
    padding: Padding = 0,
    dilation: EachAxis = 1,
    groups: int = 1,
) -> Any:
    """The convolution of x with each kernel of ``weight``; kernels are not flipped.

    Args:
        x: (N, C, L).
        weight: (O, C / groups, K): O kernels over K neighbours in each channel of their group.
        bias: (O,), added to each output channel, or None.
        stride: The step from one position of the kernel to the next.
        padding: How many zeros are added at both ends, "same" or "valid".
        dilation: The distance between neighbouring elements of the kernel.
        groups: Into how many groups the channels are divided; C groups are a depthwise convolution.

    Returns:
        (N, O, (L + 2 padding - dilation (K - 1) - 1) // stride + 1)

    Raises:
        ValueError: The shapes do not fit, groups do not divide the channels, or the kernel is
            larger than the padded input.

    Source: torch.nn.functional.conv1d.
    """
    x = as_value(x)
    _check_axes("conv1d", x, 1)
    y = table.conv(x, weight, stride=stride, padding=padding, dilation=dilation, groups=groups)
    return _plus_bias("conv1d", y, bias)


def conv2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: EachAxis = 1,
    padding: Padding = 0,
    dilation: EachAxis = 1,
    groups: int = 1,
) -> Any:
    """As conv1d, with x (N, C, H, W) and weight (O, C / groups, KH, KW).

    Source: torch.nn.functional.conv2d.
    """
    x = as_value(x)
    _check_axes("conv2d", x, 2)
    y = table.conv(x, weight, stride=stride, padding=padding, dilation=dilation, groups=groups)
    return _plus_bias("conv2d", y, bias)


def conv_transpose1d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: EachAxis = 1,
    padding: EachAxis = 0,
    output_padding: EachAxis = 0,
    groups: int = 1,
    dilation: EachAxis = 1,
) -> Any:
    """The transpose of conv1d in its input: x is spread by the kernels where conv1d would gather.

    Args:
        x: (N, C, L).
        weight: (C, O / groups, K).
        bias: (O,), or None.
        stride, padding, groups, dilation: Those of the convolution that is transposed.
        output_padding: Which of the lengths that conv1d maps to L is meant: added to the shortest
            one, less than the stride.

    Returns:
        (N, O, (L - 1) stride - 2 padding + dilation (K - 1) + output_padding + 1)

    Raises:
        ValueError: As for conv1d.

    Source: torch.nn.functional.conv_transpose1d.
    """
    return _conv_transpose(
        "conv_transpose1d", 1, x, weight, bias, stride, padding, output_padding, groups, dilation
    )


def conv_transpose2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: EachAxis = 1,
    padding: EachAxis = 0,
    output_padding: EachAxis = 0,
    groups: int = 1,
    dilation: EachAxis = 1,
) -> Any:
    """As conv_transpose1d, with x (N, C, H, W) and weight (C, O / groups, KH, KW).

    Source: torch.nn.functional.conv_transpose2d.
    """
    return _conv_transpose(
        "conv_transpose2d", 2, x, weight, bias, stride, padding, output_padding, groups, dilation
    )


def _conv_transpose(
    name: str,
    axes: int,
    x: Any,
    weight: Any,
    bias: Any,
    stride: EachAxis,
    padding: EachAxis,
    output_padding: EachAxis,
    groups: int,
    dilation: EachAxis,
) -> Any:
    x, weight = as_value(x), as_value(weight)
    _check_axes(name, x, axes)
    _check_axes(name, weight, axes, "weight")
    sizes = zip(
        x.shape[2:],
        weight.shape[2:],
        each_axis("stride", stride, axes, least=1),
        each_axis("padding", padding, axes, least=0),
        each_axis("dilation", dilation, axes, least=1),
        each_axis("output_padding", output_padding, axes, least=0),
        strict=True,
    )
    spatial = [(n - 1) * s - 2 * p + d * (k - 1) + extra + 1 for n, k, s, p, d, extra in sizes]
    y = table.conv_input(
        x,
        weight,
        shape=(x.shape[0], weight.shape[1] * groups, *spatial),
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
    )
    return _plus_bias(name, y, bias)


def _check_axes(name: str, x: Any, axes: int, argument: str = "x") -> None:
    if len(x.shape) != axes + 2:
        expected = "(batch, channels, length)" if axes == 1 else "(batch, channels, height, width)"
        if argument == "weight":
            expected = f"{axes + 2} axes"
        raise ValueError(f"{name}: expected {argument} {expected}, got shape {x.shape}")


def _plus_bias(name: str, y: Any, bias: Any) -> Any:
    if bias is None:
        return y
    return y + _for_each_channel(name, "bias", bias, y)


def _for_each_channel(name: str, argument: str, values: Any, x: Any) -> Any:
    """``values`` (C,) in a shape that broadcasts along the channels of x (N, C, ...)."""
    values = as_value(values)
    if values.shape != x.shape[1:2]:
        raise ValueError(
            f"{name}: expected {argument} {x.shape[1:2]}, a value for each channel, "
            f"got shape {values.shape}"
        )
    return table.reshape(values, shape=(*x.shape[1:2], *[1] * (len(x.shape) - 2)))


def max_pool1d(
    a: Any, kernel_size: EachAxis, stride: EachAxis | None = None, padding: Padding = 0
) -> Any:
    """The largest element in each window over the last axis.

    Args:
        a: (..., L).
        kernel_size: The length K of the window.
        stride: The step from one window to the next, by default kernel_size.
        padding: How many elements are added at both ends, at most half of kernel_size; they are
            never the largest.

    Returns:
        (..., (L + 2 padding - K) // stride + 1). Of elements that tie, the first receives the
        gradient.

    Raises:
        ValueError: The window is larger than the padded axis, or the padding too large.

    Source: torch.nn.functional.max_pool1d.
    """
    size = each_axis("kernel_size", kernel_size, 1, least=1)
    return table.max_pool(a, kernel_size=size, stride=stride, padding=padding)


def max_pool2d(
    a: Any, kernel_size: EachAxis, stride: EachAxis | None = None, padding: Padding = 0
) -> Any:
    """As max_pool1d, over the last two axes.

    Source: torch.nn.functional.max_pool2d.
    """
    size = each_axis("kernel_size", kernel_size, 2, least=1)
    return table.max_pool(a, kernel_size=size, stride=stride, padding=padding)


def avg_pool1d(
    a: Any,
    kernel_size: EachAxis,
    stride: EachAxis | None = None,
    padding: Padding = 0,
    count_include_pad: bool = True,
) -> Any:
    """The mean of each window over the last axis.

    Args:
        a: (..., L).
        kernel_size, stride, padding: As for max_pool1d; the added elements are zeros.
        count_include_pad: Whether the added zeros count as elements of the mean.

    Returns:
        (..., (L + 2 padding - K) // stride + 1)

    Raises:
        ValueError: As for max_pool1d.

    Source: torch.nn.functional.avg_pool1d. TensorFlow's is the one with count_include_pad=False.
    """
    size = each_axis("kernel_size", kernel_size, 1, least=1)
    return _avg_pool(a, size, stride, padding, count_include_pad)


def avg_pool2d(
    a: Any,
    kernel_size: EachAxis,
    stride: EachAxis | None = None,
    padding: Padding = 0,
    count_include_pad: bool = True,
) -> Any:
    """As avg_pool1d, over the last two axes.

    Source: torch.nn.functional.avg_pool2d.
    """
    size = each_axis("kernel_size", kernel_size, 2, least=1)
    return _avg_pool(a, size, stride, padding, count_include_pad)


def _avg_pool(
    a: Any,
    size: tuple[int, ...],
    stride: EachAxis | None,
    padding: Padding,
    count_include_pad: bool,
) -> Any:
    a = as_value(a)
    count: Any = math.prod(size)
    if not count_include_pad:
        ones = np.ones(a.shape[-len(size) :], np.float32 if a.dtype.char == "e" else a.dtype)
        count = table.sum_pool(ones, kernel_size=size, stride=stride, padding=padding)
    mean = table.sum_pool(widened(a), kernel_size=size, stride=stride, padding=padding) / count
    return table.astype(mean, dtype=a.dtype) if a.dtype.char == "e" else mean


def dropout(a: Any, rate: float, generator: np.random.Generator) -> Any:
    """``a`` with each element set to 0 with probability ``rate``, the others over 1 - rate.

    The expected value of each element is so what it was. A static graph draws at each of its runs.

    Args:
        a: Floating point numbers of any shape.
        rate: In [0, 1).
        generator: Where the random numbers come from, one for each element of a.

    Raises:
        ValueError: ``rate`` is not in [0, 1).

    Source: Srivastava et al., Dropout (2014); torch.nn.functional.dropout.
    """
    a = as_value(a)
    return a * table.dropout_mask(a, rate=rate, generator=generator)


def layer_norm(a: Any, weight: Any, bias: Any, eps: float = 1e-5) -> Any:
    """``a`` standardised over its last axes, times ``weight``, plus ``bias``.

    The axes are those of ``weight``. Standardising is the primitive; a product and a sum with rules
    of their own would only repeat those of ``multiply`` and ``add``.

    Args:
        a: ``(..., *S)``.
        weight, bias: Both of the shape S.
        eps: Added to the variance, so that the quotient exists where all elements are equal.

    Raises:
        ValueError: The shapes do not fit.

    Source: Ba, Kiros & Hinton, Layer normalization (2016); torch.nn.functional.layer_norm.
    """
    a, weight, bias = as_value(a), as_value(weight), as_value(bias)
    count = len(weight.shape)
    if not count or weight.shape != bias.shape or a.shape[-count:] != weight.shape:
        raise ValueError(
            "layer_norm: expected weight and bias of the shape of a's last axes, got "
            f"a {a.shape}, weight {weight.shape} and bias {bias.shape}"
        )
    return table.standardize(a, axis=tuple(range(-count, 0)), eps=eps) * weight + bias


def batch_norm(
    a: Any,
    weight: Any,
    bias: Any,
    mean: Any = None,
    variance: Any = None,
    eps: float = 1e-5,
) -> Any:
    """Each channel of ``a`` standardised, times ``weight``, plus ``bias``.

    In training the mean and variance are those of the batch, and gradients flow through them. For
    inference they are given.

    Args:
        a: (N, C, ...).
        weight, bias: (C,).
        mean, variance: (C,), both or none.
        eps: Added to the variance.

    Raises:
        ValueError: The shapes do not fit, or a channel has a single value in the batch: it would
            become 0 whatever it is.

    Source: Ioffe & Szegedy, Batch normalization (2015); torch.nn.functional.batch_norm.
    """
    a = as_value(a)
    if len(a.shape) < 2 or (mean is None) != (variance is None):
        raise ValueError(
            "batch_norm: expected a (batch, channels, ...) and mean and variance both or none, "
            f"got shape {a.shape}, mean {mean} and variance {variance}"
        )

    def wide(argument: str, values: Any) -> Any:
        return _for_each_channel("batch_norm", argument, values, a)

    if mean is None:
        others = (0, *range(2, len(a.shape)))
        if math.prod(a.shape[i] for i in others) == 1:
            raise ValueError(
                "batch_norm: expected more than one value for each channel in a training batch, "
                f"got shape {a.shape}; pass mean and variance for inference"
            )
        standard = table.standardize(a, axis=others, eps=eps)
    else:
        deviation = table.sqrt(wide("variance", variance) + eps)
        standard = (a - wide("mean", mean)) / deviation
    return standard * wide("weight", weight) + wide("bias", bias)
