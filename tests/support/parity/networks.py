"""Convolution, pooling, embedding, dropout and normalisation."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F  # noqa: N812 (its usual name)

from dlcourse import ops
from parity.case import Case, corner, inf, nan, normal

Shape = tuple[int, ...]
Options = dict[str, Any]

# The shapes of x and weight, and the options, in the names of torch.
CONVOLUTIONS: list[tuple[Shape, Shape, Options]] = [
    ((2, 1, 4), (1, 1, 1), {}),
    ((2, 3, 7), (4, 3, 3), {}),
    ((1, 2, 8), (2, 2, 4), {"stride": 3}),
    ((2, 2, 5), (2, 2, 3), {"padding": 2}),
    ((1, 2, 9), (3, 2, 3), {"dilation": 3}),
    ((1, 2, 9), (1, 2, 2), {"stride": 2, "padding": (1,), "dilation": [2]}),
    ((2, 4, 5), (6, 2, 2), {"groups": 2}),
    ((2, 2, 5), (2, 2, 5), {}),
    ((1, 2, 6), (2, 2, 3), {"padding": "same"}),
    ((1, 2, 6), (2, 2, 4), {"padding": "same", "dilation": 2}),
    ((1, 2, 6), (2, 2, 3), {"padding": "valid", "stride": 2}),
    ((0, 2, 5), (3, 2, 3), {"padding": 1}),
    ((2, 3, 4, 5), (2, 3, 3, 3), {}),
    ((2, 3, 3, 2), (4, 3, 1, 1), {}),
    ((1, 3, 5, 5), (2, 3, 1, 1), {"stride": 2}),
    ((1, 2, 5, 6), (2, 2, 3, 2), {"stride": 2}),
    ((1, 2, 5, 6), (2, 2, 2, 3), {"stride": (3, 1), "padding": (0, 2)}),
    ((1, 2, 3, 4), (2, 2, 3, 3), {"padding": 1}),
    ((1, 1, 7, 6), (2, 1, 3, 2), {"dilation": (2, 3)}),
    ((1, 3, 5, 4), (3, 1, 2, 3), {"groups": 3}),
    ((1, 2, 4, 4), (4, 1, 3, 3), {"groups": 2, "padding": 1, "stride": 2}),
    ((1, 4, 5, 5), (2, 2, 2, 2), {"groups": 2, "dilation": 2, "padding": (1, 0)}),
    ((1, 2, 4, 5), (1, 2, 3, 1), {"padding": "same"}),
    ((1, 1, 1, 1), (1, 1, 3, 3), {"padding": 1}),
    ((0, 2, 4, 4), (2, 2, 3, 3), {}),
]


def _label(x: Shape, weight: Shape, options: Options) -> str:
    return f"{x}{weight} " + " ".join(f"{name}={value}" for name, value in options.items())


def convolution_cases() -> list[Case]:
    cases = []
    for x, weight, options in CONVOLUTIONS:
        label = _label(x, weight, options)
        ours = partial({3: ops.conv1d, 4: ops.conv2d}[len(x)], **options)
        theirs = partial({3: F.conv1d, 4: F.conv2d}[len(x)], **options)
        y = ours(np.zeros(x), np.zeros(weight)).shape

        # The transposes of a linear function: its vector-Jacobian products, at zeros.
        def at_input(
            a: torch.Tensor, weight: torch.Tensor, f: Any = theirs, shape: Shape = x
        ) -> torch.Tensor:
            zeros = torch.zeros(shape, dtype=a.dtype, requires_grad=True)
            return torch.autograd.grad(f(zeros, weight), zeros, a, create_graph=True)[0]

        def at_weight(
            x: torch.Tensor, a: torch.Tensor, f: Any = theirs, shape: Shape = weight
        ) -> torch.Tensor:
            zeros = torch.zeros(shape, dtype=a.dtype, requires_grad=True)
            return torch.autograd.grad(f(x, zeros), zeros, a, create_graph=True)[0]

        our_input = partial(ops.conv_input, shape=x, **options)
        our_weight = partial(ops.conv_weight, shape=weight, **options)
        cases.append(Case("conv", label, ours, theirs, (normal(x), normal(weight, 1))))
        if not x[0]:
            continue  # PyTorch loses the graph of these products if the batch is empty
        cases += [
            Case("conv_input", label, our_input, at_input, (normal(y), normal(weight, 1))),
            Case("conv_weight", label, our_weight, at_weight, (normal(x), normal(y, 1))),
        ]
    cases.append(
        Case(
            "conv",
            "padding='same', one element more at the end",
            partial(ops.conv2d, padding="same"),
            lambda x, weight: F.conv2d(F.pad(x, (0, 1, 1, 2)), weight),
            (normal((1, 2, 3, 5)), normal((2, 2, 4, 2), 1)),
        )
    )
    for ours, theirs, x, weight in [
        (ops.conv1d, F.conv1d, (2, 3, 5), (4, 3, 2)),
        (ops.conv2d, F.conv2d, (2, 3, 3, 4), (4, 3, 2, 2)),
    ]:
        inputs = (normal(x), normal(weight, 1), normal(weight[:1], 2))
        cases.append(Case("conv", f"{x}{weight} with bias", ours, theirs, inputs))
    return cases


def transposed_convolution_cases() -> list[Case]:
    table: list[tuple[Shape, Shape, Options]] = [
        ((2, 3, 4), (3, 2, 3), {}),
        ((1, 2, 4), (2, 2, 3), {"stride": 3, "padding": 1, "output_padding": 2, "dilation": 2}),
        ((2, 4, 3), (4, 3, 2), {"groups": 2}),
        ((0, 2, 3), (2, 1, 2), {"stride": 2}),
        ((1, 2, 3, 2), (2, 3, 2, 3), {"stride": (2, 1), "padding": (0, 1)}),
        ((1, 4, 2, 3), (4, 1, 3, 3), {"groups": 4, "stride": 2, "output_padding": (1, 0)}),
    ]
    cases = []
    for x, weight, options in table:
        ours = {3: ops.conv_transpose1d, 4: ops.conv_transpose2d}[len(x)]
        theirs = {3: F.conv_transpose1d, 4: F.conv_transpose2d}[len(x)]
        bias = (weight[1] * options.get("groups", 1),)
        inputs = (normal(x), normal(weight, 1), normal(bias, 2))
        cases.append(
            Case(
                "conv_input",
                "transposed convolution " + _label(x, weight, options),
                partial(ours, **options),
                partial(theirs, **options),
                inputs,
            )
        )
    return cases


# The shape of a, the size of the window, and the options.
POOLINGS: list[tuple[Shape, Any, Options]] = [
    ((2, 3, 6), 2, {}),
    ((3, 7), 3, {"stride": 2}),
    ((1, 2, 7), 4, {"stride": 1, "padding": 2}),
    ((1, 2, 3), 1, {"stride": 2}),
    ((0, 2, 5), 3, {"padding": 1}),
    ((2, 2, 4, 4), 2, {}),
    ((2, 5, 4), (3, 2), {"stride": 1}),
    ((1, 2, 5, 5), 3, {"stride": 2, "padding": 1}),
    ((1, 2, 5, 6), (2, 3), {"stride": (1, 2), "padding": (1, 0)}),
    ((1, 1, 3, 7), (3, 7), {}),
    ((0, 2, 4, 4), 2, {}),
]


def _pooled_axes(shape: Shape, size: Any) -> int:
    return 2 if len(shape) == 4 or isinstance(size, tuple) else 1


def _places(a: torch.Tensor, axes: int, size: Any, **options: Any) -> torch.Tensor:
    """Where max pooling finds its results, as indices into all elements of a."""
    pool = {1: F.max_pool1d, 2: F.max_pool2d}[axes]
    indices = pool(a, size, return_indices=True, **options)[1]  # into one channel of one image
    starts = torch.arange(math.prod(a.shape[:-axes])) * math.prod(a.shape[-axes:])
    return indices + starts.reshape(*a.shape[:-axes], *[1] * axes)


def pooling_cases() -> list[Case]:
    cases = []
    for shape, size, options in POOLINGS:
        label = f"{shape} by {size} " + " ".join(f"{n}={v}" for n, v in options.items())
        axes = _pooled_axes(shape, size)
        sizes = size if isinstance(size, tuple) else (size,) * axes
        our_max, their_max = _both(f"max_pool{axes}d", kernel_size=size, **options)
        our_indices = partial(ops.max_pool_indices, kernel_size=sizes, **options)
        their_indices = partial(_places, axes=axes, size=size, **options)
        our_mean, their_mean = _both(f"avg_pool{axes}d", kernel_size=size, **options)

        # The transpose of summing: the vector-Jacobian product of the mean, times the count.
        def spread(a: torch.Tensor, f: Any = their_mean, shape: Shape = shape) -> torch.Tensor:
            zeros = torch.zeros(shape, dtype=a.dtype, requires_grad=True)
            return torch.autograd.grad(f(zeros), zeros, a, create_graph=True)[0]

        count = math.prod(sizes)
        our_spread = partial(ops.sum_pool_input, shape=shape, kernel_size=sizes, **options)
        inputs = (normal(shape),)
        pooled = (normal(our_mean(*inputs).shape, 1),)
        cases += [
            Case("max_pool", label, our_max, their_max, inputs),
            Case(
                "max_pool_indices",
                label,
                our_indices,
                their_indices,
                inputs,
                smooth=False,
            ),
            Case("sum_pool", f"{label} mean", our_mean, their_mean, inputs),
            Case(
                "sum_pool",
                f"{label} mean without padding",
                partial(our_mean, count_include_pad=False),
                partial(their_mean, count_include_pad=False),
                inputs,
            ),
            Case(
                "sum_pool_input",
                label,
                our_spread,
                lambda a, f=spread, count=count: f(a) * count,
                pooled,
            ),
        ]
    return cases


def pooling_corner_cases() -> list[Case]:
    flat, padded = {"kernel_size": 2, "stride": 1}, {"kernel_size": 3, "stride": 1, "padding": 1}
    tied = [[[1.0, 1.0, 0.0, 2.0, 2.0], [3.0, 3.0, 3.0, 3.0, 3.0]]]
    tied_image = np.round(normal((1, 2, 5, 5)))
    hidden = np.full((1, 1, 4, 4), -inf)
    hidden[..., 2, 3] = 1.0
    return [
        corner("max_pool", "ties", *_both("max_pool1d", **flat), tied),
        corner("max_pool", "ties in an image", *_both("max_pool2d", **padded), tied_image),
        corner("max_pool", "-inf", *_both("max_pool2d", **padded), hidden),
        corner("max_pool", "nan", *_both("max_pool1d", **flat), [[[1.0, nan, 2.0, 3.0]]]),
        corner("max_pool", "inf", *_both("max_pool1d", **flat), [[[1.0, inf, 2.0, 3.0]]]),
    ]


def _both(name: str, **options: Any) -> tuple[Callable[..., Any], Callable[..., Any]]:
    return partial(getattr(ops, name), **options), partial(getattr(F, name), **options)


def embedding_cases() -> list[Case]:
    cases = []
    for table, indices in [
        ((4, 3), np.array([0, 3, 3, 1])),
        ((4, 3), np.array([[2, 2], [0, 2]])),
        ((4, 3), np.array(1)),
        ((2, 3), np.zeros((0,), int)),
        ((2, 3), np.zeros((3, 0), int)),
        ((5, 2), np.array([4, 0], np.int32)),
        ((1, 1), np.array([[[0], [0]]])),
    ]:
        label = f"{table} at {indices.tolist()}"
        rows = (*indices.shape, *table[1:])

        def add_rows(a: torch.Tensor, indices: torch.Tensor, table: Shape = table) -> torch.Tensor:
            zeros = torch.zeros(table, dtype=a.dtype)
            return zeros.index_add(0, indices.reshape(-1), a.reshape(-1, *table[1:]))

        cases += [
            Case(
                "embedding",
                label,
                ops.embedding,
                lambda weight, indices: F.embedding(indices, weight),
                (normal(table), indices),
                second=indices.size > 0,  # without indices PyTorch cannot reshape
            ),
            Case(
                "add_rows",
                label,
                partial(ops.add_rows, count=table[0]),
                add_rows,
                (normal(rows), indices),
            ),
        ]
    numbers = (normal((2, 3)), np.array([[5, 0, 5], [1, 1, 1]]))
    cases.append(
        Case(
            "add_rows",
            "single numbers",
            partial(ops.add_rows, count=6),
            lambda a, i: torch.zeros(6, dtype=a.dtype).index_add(0, i.reshape(-1), a.reshape(-1)),
            numbers,
        )
    )
    return cases


def dropout_cases() -> list[Case]:
    cases = []
    for shape, rate in [((3, 4), 0.5), ((5,), 0.0), ((2, 3, 2), 0.8), ((), 0.1), ((0, 2), 0.3)]:
        kept = np.asarray(np.random.default_rng(1).random(shape) >= rate) / (1 - rate)
        cases.append(
            Case(
                "dropout_mask",
                f"{shape} rate={rate}",
                lambda a, rate=rate: ops.dropout(a, rate, np.random.default_rng(1)),
                lambda a, kept=kept: a * torch.tensor(kept, dtype=a.dtype),
                (normal(shape),),
            )
        )
    return cases


def normalisation_cases() -> list[Case]:
    cases = []
    for shape, last in [((4,), 1), ((3, 5), 1), ((2, 3, 4), 1), ((2, 3, 4), 2), ((0, 3), 1)]:
        inside = shape[len(shape) - last :]
        for eps in (1e-5, 0.1):
            cases.append(
                Case(
                    "standardize",
                    f"layer {shape} over {inside} eps={eps}",
                    partial(ops.layer_norm, eps=eps),
                    lambda a, weight, bias, inside=inside, eps=eps: F.layer_norm(
                        a, inside, weight, bias, eps
                    ),
                    (normal(shape), normal(inside, 1), normal(inside, 2)),
                )
            )
    for shape in [(4, 2), (3, 2, 4), (2, 3, 2, 3), (1, 2, 3)]:
        channels = shape[1:2]
        inputs = (normal(shape), normal(channels, 1), normal(channels, 2))
        cases.append(
            Case(
                "standardize",
                f"batch {shape}",
                ops.batch_norm,
                lambda a, weight, bias: F.batch_norm(a, None, None, weight, bias, training=True),
                inputs,
            )
        )
    return cases


CASES = [
    *convolution_cases(),
    *transposed_convolution_cases(),
    *pooling_cases(),
    *pooling_corner_cases(),
    *embedding_cases(),
    *dropout_cases(),
    *normalisation_cases(),
]
