"""Convolution, pooling, embedding, dropout and normalisation, beyond the cases of the table."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from parity import normal
from torch.nn import functional as F  # noqa: N812 (its usual name)

from dlcourse import Tensor, graphs, ops
from dlcourse.ops.inference import infer

some = settings(max_examples=80, deadline=None, derandomize=True)


@st.composite
def windows(draw, axes: int, dilated: bool) -> tuple[tuple[int, ...], ...]:
    """For each axis: length, size, stride, padding (at most half of the size), dilation."""
    found = []
    for _ in range(axes):
        size = draw(st.integers(1, 4))
        dilation = draw(st.integers(1, 3)) if dilated else 1
        padding = draw(st.integers(0, 3 if dilated else size // 2))
        shortest = max(1, dilation * (size - 1) + 1 - 2 * padding)
        length = shortest + draw(st.integers(0, 5))
        found.append((length, size, draw(st.integers(1, 3)), padding, dilation))
    return tuple(zip(*found, strict=True))


def assert_same(ours: Tensor, theirs: torch.Tensor) -> None:
    assert ours.shape == tuple(theirs.shape)
    np.testing.assert_allclose(ours.data, theirs.numpy(force=True), rtol=1e-9, atol=1e-12)


@some
@given(st.data(), st.integers(1, 3))
def test_a_convolution_of_any_shape_has_pytorchs_value_and_gradients(data, axes) -> None:
    lengths, size, stride, padding, dilation = data.draw(windows(axes, dilated=True))
    batch, groups, inner, outer = (data.draw(st.integers(1, 3)) for _ in range(4))
    x_data = normal((batch, groups * inner, *lengths), 1)
    w_data = normal((groups * outer, inner, *size), 2)
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    x, w = Tensor(x_data, requires_grad=True), Tensor(w_data, requires_grad=True)
    t, u = torch.tensor(x_data, requires_grad=True), torch.tensor(w_data, requires_grad=True)
    y = ops.conv(x, w, **options)
    z = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}[axes](t, u, **options)
    assert_same(y, z)
    g = normal(y.shape, 3)
    y.backward(g)
    z.backward(torch.tensor(g))
    assert_same(x.grad, t.grad)
    assert_same(w.grad, u.grad)


@some
@given(st.data(), st.integers(1, 2), st.sampled_from(["max", "avg"]))
def test_a_pooling_of_any_shape_has_pytorchs_value_and_gradient(data, axes, kind) -> None:
    lengths, size, stride, padding, _ = data.draw(windows(axes, dilated=False))
    # Rounded, so that many elements tie for the largest.
    a_data = np.round(normal((data.draw(st.integers(1, 2)), 2, *lengths)))
    a, t = Tensor(a_data, requires_grad=True), torch.tensor(a_data, requires_grad=True)
    name = f"{kind}_pool{axes}d"
    y, z = getattr(ops, name)(a, size, stride, padding), getattr(F, name)(t, size, stride, padding)
    assert_same(y, z)
    g = normal(y.shape, 3)
    y.backward(g)
    z.backward(torch.tensor(g))
    assert_same(a.grad, t.grad)


def test_the_padding_same_is_tensorflows_at_every_stride() -> None:
    import tensorflow as tf

    for size, stride in [(1, 2), (2, 1), (3, 2), (5, 3)]:
        for length in (5, 6):
            x, w = normal((1, 2, length), 1), normal((3, 2, size), 2)
            theirs = tf.nn.conv1d(x.swapaxes(1, 2), w.T, stride, "SAME").numpy().swapaxes(1, 2)
            ours = ops.conv1d(x, w, stride=stride, padding="same")
            np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)
            theirs = tf.nn.max_pool1d(x.swapaxes(1, 2), size, stride, "SAME").numpy()
            ours = ops.max_pool1d(x, size, stride, "same")
            # TensorFlow pools in float32.
            np.testing.assert_allclose(ours, theirs.swapaxes(1, 2), rtol=1e-6)
            theirs = tf.nn.avg_pool1d(x.swapaxes(1, 2), size, stride, "SAME").numpy()
            ours = ops.avg_pool1d(x, size, stride, "same", count_include_pad=False)
            np.testing.assert_allclose(ours, theirs.swapaxes(1, 2), rtol=1e-6)


def test_the_transposes_of_a_convolution_of_no_images_are_zero() -> None:
    a, w, x = np.ones((0, 3, 3)), np.ones((3, 2, 3)), np.ones((0, 2, 5))
    assert ops.conv_input(a, w, shape=x.shape).shape == x.shape
    np.testing.assert_array_equal(ops.conv_weight(x, a, shape=w.shape), np.zeros(w.shape))


def test_a_convolution_of_one_pixel_is_a_matrix_product() -> None:
    x, w = normal((4, 3, 1, 1)), normal((2, 3, 1, 1))
    np.testing.assert_allclose(ops.conv2d(x, w)[:, :, 0, 0], x[:, :, 0, 0] @ w[:, :, 0, 0].T)


@pytest.mark.parametrize(
    ("op", "arguments", "parameters"),
    [
        (ops.conv, [np.ones((2, 3, 5, 5)), np.ones((4, 3, 3, 3))], {"padding": 1}),
        (ops.conv_input, [np.ones((2, 4, 3)), np.ones((4, 3, 3))], {"shape": (2, 3, 5)}),
        (ops.conv_weight, [np.ones((2, 3, 5)), np.ones((2, 4, 3))], {"shape": (4, 3, 3)}),
        (ops.max_pool, [np.ones((2, 3, 5, 5), np.float32)], {"kernel_size": (2, 2)}),
        (ops.max_pool_indices, [np.ones((2, 3, 5, 5))], {"kernel_size": (2, 2), "padding": 1}),
        (ops.sum_pool, [np.ones((2, 3, 5, 5), np.float32)], {"kernel_size": (2, 2)}),
        (ops.sum_pool_input, [np.ones((2, 2))], {"shape": (2, 5), "kernel_size": (2,)}),
        (ops.embedding, [np.ones((5, 3), np.float32), np.zeros((2, 2), int)], {}),
        (ops.add_rows, [np.ones((2, 2, 3), np.float32), np.zeros((2, 2), int)], {"count": 5}),
        (ops.standardize, [np.ones((2, 3), np.float32)], {"axis": (-1,)}),
    ],
    ids=str,
)
def test_a_kernel_may_be_given_arrays_whose_elements_share_one_place(
    op, arguments, parameters
) -> None:
    y = op(*arguments, **parameters)
    flat = [np.broadcast_to(a.ravel()[0], a.shape) for a in arguments]
    np.testing.assert_array_equal(op(*flat, **parameters), y)


def test_no_kernel_hands_out_its_argument_or_writes_into_it() -> None:
    a, w = normal((1, 1, 3, 3)), np.ones((1, 1, 1, 1))
    for y in (
        ops.conv(a, w),
        ops.conv_input(a, w, shape=a.shape),
        ops.max_pool(a, (1, 1)),
        ops.sum_pool(a, (1, 1)),
        ops.sum_pool_input(a, a.shape, (1, 1)),
    ):
        np.testing.assert_array_equal(y, a)
        assert not np.shares_memory(y, a)


def test_integers_are_pooled_as_integers() -> None:
    a = np.array([[-5, -7, -2, -3]])
    np.testing.assert_array_equal(ops.max_pool1d(a, 2, padding=1), [[-5, -2, -3]])


x, w, b = Tensor(np.zeros((2, 4, 5, 5))), Tensor(np.zeros((6, 4, 3, 3))), Tensor(np.zeros(6))
g = np.random.default_rng(0)

FAILURES = {
    "conv2d of a sequence": (
        lambda: ops.conv2d(Tensor(np.zeros((2, 4, 5))), w),
        ValueError,
        ["conv2d: expected x (batch, channels, height, width)", "(2, 4, 5)"],
    ),
    "conv2d with a kernel for sequences": (
        lambda: ops.conv2d(x, Tensor(np.zeros((6, 4, 3)))),
        ValueError,
        ["conv:", "with as many axes", "(2, 4, 5, 5) and (6, 4, 3)"],
    ),
    "other channels": (
        lambda: ops.conv2d(x, Tensor(np.zeros((6, 3, 3, 3)))),
        ValueError,
        ["conv:", "x.shape[1] == weight.shape[1] * groups", "4 channels and 3 * 1"],
    ),
    "groups that do not divide the input": (
        lambda: ops.conv2d(x, w, groups=3),
        ValueError,
        ["groups to divide the channels of x, 4, and of the result, 6", "groups=3"],
    ),
    "groups that do not divide the result": (
        lambda: ops.conv2d(x, Tensor(np.zeros((6, 1, 3, 3))), groups=4),
        ValueError,
        ["groups=4"],
    ),
    "no groups": (lambda: ops.conv2d(x, w, groups=0), ValueError, ["groups=0"]),
    "a kernel larger than the input": (
        lambda: ops.conv2d(x, w, dilation=(1, 4), padding=1),
        ValueError,
        ["spans (3, 9) (dilation included)", "axes of (7, 7) (padding included)"],
    ),
    "a stride of 0": (
        lambda: ops.conv2d(x, w, stride=0),
        ValueError,
        ["stride to be an integer of at least 1", "got 0"],
    ),
    "a stride for three axes": (
        lambda: ops.conv2d(x, w, stride=(1, 1, 1)),
        ValueError,
        ["one for each of 2 spatial axes", "(1, 1, 1)"],
    ),
    "half a padding": (lambda: ops.conv2d(x, w, padding=0.5), ValueError, ["padding", "0.5"]),
    "a padding of another name": (
        lambda: ops.conv2d(x, w, padding="full"),
        ValueError,
        ["'same', 'valid' or integers", "'full'"],
    ),
    "a bias for other channels": (
        lambda: ops.conv2d(x, w, Tensor(np.zeros(4))),
        ValueError,
        ["conv2d: expected bias (6,)", "(4,)"],
    ),
    "a gradient of another shape": (
        lambda: ops.conv_input(x, w, shape=(2, 4, 5, 5)),
        ValueError,
        ["conv_input:", "shape of the convolution's result, (2, 6, 3, 3)", "got (2, 4, 5, 5)"],
    ),
    "conv_transpose2d of a sequence": (
        lambda: ops.conv_transpose2d(Tensor(np.zeros((2, 4, 5))), w),
        ValueError,
        ["conv_transpose2d: expected x (batch, channels, height, width)"],
    ),
    "strides for three axes": (
        lambda: ops.conv_transpose2d(x, w, stride=(1, 1, 1)),
        ValueError,
        ["expected stride to be an integer", "2 spatial axes, got (1, 1, 1)"],
    ),
    "a negative padding of a transposed convolution": (
        lambda: ops.conv_transpose2d(x, w, padding=-1),
        ValueError,
        ["expected padding to be an integer of at least 0", "got -1"],
    ),
    "a dilation of 0": (
        lambda: ops.conv_transpose2d(x, w, dilation=0),
        ValueError,
        ["expected dilation to be an integer of at least 1", "got 0"],
    ),
    "a negative output padding": (
        lambda: ops.conv_transpose2d(x, w, output_padding=-1),
        ValueError,
        ["expected output_padding to be an integer of at least 0", "got -1"],
    ),
    "an output padding of the stride": (
        lambda: ops.conv_transpose2d(x, Tensor(np.zeros((4, 1, 3, 3))), output_padding=1),
        ValueError,
        ["conv_input:", "got (2, 4, 5, 5)"],
    ),
    "a window larger than the input": (
        lambda: ops.max_pool2d(x, (2, 6)),
        ValueError,
        ["max_pool:", "spans (2, 6)", "(5, 5)"],
    ),
    "a padding of more than half the window": (
        lambda: ops.avg_pool2d(x, 3, padding=2),
        ValueError,
        ["sum_pool:", "at most half of kernel_size (3, 3)", "2"],
    ),
    "a window over nothing": (
        lambda: ops.max_pool1d(Tensor(np.zeros((2, 0))), 2, padding=1),
        ValueError,
        ["an element along each axis", "(2, 0)"],
    ),
    "a window over too few axes": (
        lambda: ops.max_pool2d(Tensor(np.zeros(4)), 2),
        ValueError,
        ["at least 2 axes", "(4,)"],
    ),
    "an index beyond the table": (
        lambda: ops.embedding(Tensor(np.zeros((4, 3))), np.array([0, 4])),
        IndexError,
        ["embedding:", "from 0 to 3", "from 0 to 4"],
    ),
    "a negative index": (
        lambda: ops.embedding(Tensor(np.zeros((4, 3))), np.array([-1])),
        IndexError,
        ["embedding:", "from -1 to -1"],
    ),
    "indices that are no integers": (
        lambda: ops.embedding(Tensor(np.zeros((4, 3))), np.array([1.0])),
        TypeError,
        ["embedding:", "expected integers", "float64"],
    ),
    "a mask in place of indices": (
        lambda: ops.embedding(Tensor(np.zeros((2, 3))), np.array([True, False])),
        TypeError,
        ["embedding:", "bool"],
    ),
    "dropout of everything": (
        lambda: ops.dropout(x, 1, g),
        ValueError,
        ["0 <= rate < 1", "rate=1"],
    ),
    "a negative rate": (lambda: ops.dropout(x, -0.1, g), ValueError, ["rate=-0.1"]),
    "a rate that is no number": (lambda: ops.dropout(x, math.nan, g), ValueError, ["rate=nan"]),
    "dropout of integers": (lambda: ops.dropout(Tensor([1, 2]), 0.5, g), TypeError, ["int64"]),
    "layer_norm over other axes": (
        lambda: ops.layer_norm(x, b, b),
        ValueError,
        ["layer_norm:", "(2, 4, 5, 5)", "(6,)"],
    ),
    "batch_norm of other channels": (
        lambda: ops.batch_norm(x, b, b),
        ValueError,
        ["batch_norm: expected weight (4,)", "(6,)"],
    ),
    "batch_norm of one value": (
        lambda: ops.batch_norm(Tensor(np.zeros((1, 6))), b, b),
        ValueError,
        ["more than one value for each channel", "(1, 6)", "pass mean and variance"],
    ),
    "batch_norm with a mean alone": (
        lambda: ops.batch_norm(Tensor(np.zeros((2, 6))), b, b, mean=b),
        ValueError,
        ["mean and variance both or none"],
    ),
}


@pytest.mark.parametrize(("action", "error", "texts"), FAILURES.values(), ids=FAILURES)
def test_the_error_says_what_was_expected_and_what_came(action, error, texts) -> None:
    with pytest.raises(error) as caught:
        action()
    assert "NumPy says" not in str(caught.value)
    for text in texts:
        assert text in str(caught.value)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout_keeps_each_element_with_probability_1_minus_rate_and_scales_it(rate) -> None:
    n = 200_000
    mask = ops.dropout_mask(np.ones((n // 100, 100)), rate, np.random.default_rng(0))
    np.testing.assert_allclose(np.unique(mask), [0, 1 / (1 - rate)], rtol=1e-15)
    kept = mask != 0
    deviation = math.sqrt(rate * (1 - rate) / n)
    assert abs(kept.mean() - (1 - rate)) < 4 * deviation
    assert abs(mask.mean() - 1) < 4 * deviation / (1 - rate)
    # Neighbours are kept independently of each other, along both axes.
    for pairs in (kept[1:] & kept[:-1], kept[:, 1:] & kept[:, :-1]):
        assert abs(pairs.mean() - (1 - rate) ** 2) < 8 * deviation


def test_dropout_at_rate_0_changes_nothing() -> None:
    a = normal((3, 4))
    np.testing.assert_array_equal(ops.dropout(a, 0, np.random.default_rng(0)), a)


def test_the_seed_of_the_generator_decides_the_mask_whatever_the_dtype() -> None:
    masks = [
        ops.dropout_mask(np.ones((50, 2), dtype), 0.5, np.random.default_rng(seed))
        for dtype, seed in [(np.float64, 1), (np.float64, 1), (np.float32, 1), (np.float64, 2)]
    ]
    assert [m.dtype for m in masks] == [np.float64, np.float64, np.float32, np.float64]
    np.testing.assert_array_equal(masks[0], masks[1])
    np.testing.assert_array_equal(masks[0] != 0, masks[2] != 0)
    assert (masks[0] != masks[3]).any()


def test_the_gradient_of_dropout_is_the_mask_and_each_call_draws_another() -> None:
    a, generator = Tensor(np.ones(100), requires_grad=True), np.random.default_rng(0)
    first, second = ops.dropout(a, 0.5, generator), ops.dropout(a, 0.5, generator)
    assert (first.data != second.data).any()
    first.sum().backward()
    np.testing.assert_array_equal(a.grad.data, first.data)


def test_a_static_graph_draws_another_mask_in_each_run() -> None:
    def draws(generator: np.random.Generator) -> graphs.Graph:
        return graphs.trace(lambda a: ops.dropout(a, 0.5, generator), np.ones(100))

    graph = draws(np.random.default_rng(3))
    runs = [graph.run(np.ones(100))[0] for _ in range(2)]
    generator = np.random.default_rng(3)
    for run in runs:
        np.testing.assert_array_equal(run, ops.dropout(np.ones(100), 0.5, generator))
    assert (runs[0] != runs[1]).any()


def test_inferring_the_shape_of_a_mask_draws_nothing() -> None:
    generator = np.random.default_rng(0)
    before = generator.bit_generator.state
    inferred = infer(
        ops.dropout_mask, [np.ones((2, 3), np.float32)], {"rate": 0.5, "generator": generator}
    )
    assert inferred == ((2, 3), np.float32)
    assert generator.bit_generator.state == before
    assert not ops.dropout_mask.pure


@pytest.mark.parametrize("shape", [(4, 2), (1, 2, 3), (2, 3, 2, 3)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_batch_norm_with_given_statistics_is_pytorchs_for_inference(shape, dtype) -> None:
    arrays = [normal(s, i).astype(dtype) for i, s in enumerate([shape, *[shape[1:2]] * 3])]
    variance = arrays[3] ** 2 + dtype(0.1)
    xs = [Tensor(array, requires_grad=True) for array in arrays[:3]]
    ts = [torch.tensor(array, requires_grad=True) for array in arrays[:3]]
    y = ops.batch_norm(*xs, mean=arrays[3], variance=variance, eps=1e-3)
    z = F.batch_norm(ts[0], *map(torch.tensor, (arrays[3], variance)), *ts[1:], eps=1e-3)
    y.sum().backward()
    z.sum().backward()
    assert y.dtype == dtype
    rtol = 1e-12 if dtype == np.float64 else 1e-4
    np.testing.assert_allclose(y.data, z.numpy(force=True), rtol=rtol, atol=rtol)
    for x, t in zip(xs, ts, strict=True):
        assert x.grad.dtype == dtype
        np.testing.assert_allclose(x.grad.data, t.grad.numpy(), rtol=rtol, atol=rtol)


def test_standardising_survives_a_mean_far_larger_than_the_deviation() -> None:
    a = normal((4, 50)) + 1e8
    y = ops.standardize(a, eps=0.0)
    np.testing.assert_allclose(y.mean(axis=1), 0, atol=1e-7)
    np.testing.assert_allclose(y.std(axis=1), 1, rtol=1e-12)


def test_standardising_equal_elements_gives_zeros_and_a_finite_gradient() -> None:
    a = Tensor(np.full((2, 3), 7.0), requires_grad=True)
    y = ops.standardize(a)
    y.backward(normal((2, 3)))
    np.testing.assert_array_equal(y.data, np.zeros((2, 3)))
    assert np.isfinite(a.grad.data).all()
