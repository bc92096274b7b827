"""The functions that are written with the table's operations, beside NumPy and PyTorch."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from parity import normal

import dlcourse as dl
from dlcourse import Tensor, autodiff, ops
from dlcourse.graphs import trace
from dlcourse.ops.primitive import operations


def test_every_operation_and_function_is_exported_under_its_name() -> None:
    assert set(dl.__all__) >= set(ops.PRIMITIVES) | set(ops.functions.__all__)
    for name, op in ops.PRIMITIVES.items():
        assert getattr(dl, name) is op or name == "einsum"
    assert len(dl.__all__) == len(set(dl.__all__))


def test_no_helper_of_a_rule_is_exported() -> None:
    table = {*ops.PRIMITIVES, *ops.functions.__all__, *ops.networks.__all__}
    table |= {*ops.torch_names.__all__, *autodiff.creation.__all__}
    table |= {name for name in dl.__all__ if isinstance(getattr(np, name, None), type)}
    for name in set(dl.__all__) - table:
        assert getattr(dl, name).__module__.startswith("dlcourse.autodiff"), name


@pytest.mark.parametrize("sections", [1, 2, 3, 6, [2, 5], [0, 6], [3, 3], [2, 9], [], [-2]])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_split_gives_numpys_parts(sections, axis) -> None:
    x = normal((6, 6))
    parts = dl.split(Tensor(x), sections, axis=axis)
    expected = np.split(x, sections, axis)
    assert len(parts) == len(expected)
    for part, theirs in zip(parts, expected, strict=True):
        np.testing.assert_array_equal(part.data, theirs)


def test_the_parts_of_a_split_are_differentiated_together() -> None:
    x = Tensor(normal((6,)), requires_grad=True)
    a, b, c = dl.split(x, 3)
    (a * 1 + b * 2 + c * 3).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [1, 1, 2, 2, 3, 3])


MOVES = [(s, d) for s in range(-3, 3) for d in range(-3, 3)]
MOVES += [(s, d) for s in itertools.permutations(range(3), 2) for d in [(0, 1), (-1, 0), (2, 1)]]


@pytest.mark.parametrize(("source", "destination"), MOVES)
def test_moveaxis_gives_numpys_order(source, destination) -> None:
    x = normal((2, 3, 4))
    moved = dl.moveaxis(Tensor(x), source, destination)
    np.testing.assert_array_equal(moved.data, np.moveaxis(x, source, destination))


@pytest.mark.parametrize("labels", [2, [0, 3], [[1, 2], [3, 0]], []])
def test_one_hot_marks_the_position_of_each_label(labels) -> None:
    labels = np.array(labels, dtype=int)
    expected = torch.nn.functional.one_hot(torch.tensor(labels), 4)
    for ours in (dl.one_hot(labels, 4), dl.one_hot(Tensor(labels), 4).data):
        np.testing.assert_array_equal(ours, expected)
    assert dl.one_hot(labels, 4, np.float32).dtype == np.float32


def test_one_hot_of_a_label_outside_the_classes_is_zero() -> None:
    np.testing.assert_array_equal(dl.one_hot(np.array([-100, 3]), 3), np.zeros((2, 3)))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: dl.stack([x, x[0]]), "stack: expected arrays of one shape, got [(3,), (4, 3)]"),
        (lambda x: dl.stack([]), "stack: expected arrays of one shape, got none"),
        (lambda x: dl.split(x, 3), "divides the axis' length 4, got 3"),
        (lambda x: dl.split(x, 0), "divides the axis' length 4, got 0"),
        (lambda x: dl.moveaxis(x, (0, 1), 0), "expected a destination for each source"),
        (lambda x: dl.moveaxis(x, 2, 0), "moveaxis: expected -2 <= axis < 2, got axis=2"),
        (lambda x: dl.topk(x, 4), "topk: expected 0 <= k <= 3, the length of axis -1, got k=4"),
        (lambda x: dl.einsum("ij,jk->ik", x), "expected an operand for each of the terms 'ij,jk'"),
        (lambda x: dl.einsum("i->i", x), "einsum: expected 'i' to name 2 axes"),
        (lambda x: dl.einsum("...ijk->", x), "einsum: expected '...ijk' to name 2 axes"),
        (lambda x: dl.einsum("ij->ik", x), "output"),
        (lambda x: dl.clip(x), "expected a limit: low, high, or both"),
        (lambda x: dl.gelu(x, approximate="erf"), "expected approximate='none' or 'tanh'"),
        (lambda x: dl.tril(x[0]), "expected a matrix or a batch of matrices, got shape (3,)"),
    ],
)
def test_an_error_says_what_was_expected(call, message) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        call(Tensor(normal((4, 3))))


@st.composite
def products(draw: st.DrawFn) -> tuple[str, list[tuple[int, ...]]]:
    """Subscripts, explicit, with letters that recur anywhere, and shapes that they fit."""
    letters = "abcd"
    length = {letter: draw(st.integers(0, 3)) for letter in letters}
    terms = draw(st.lists(st.text(letters, max_size=4), min_size=1, max_size=3))
    present = sorted(set("".join(terms)))
    output = draw(st.lists(st.sampled_from(present), unique=True)) if present else []
    return f"{','.join(terms)}->{''.join(output)}", [tuple(map(length.get, t)) for t in terms]


@settings(max_examples=150, deadline=None, derandomize=True)
@given(products())
def test_any_einsum_has_the_value_and_gradients_of_pytorch(product) -> None:
    subscripts, shapes = product
    data = [normal(shape, i) for i, shape in enumerate(shapes)]
    ours = [Tensor(x, requires_grad=True) for x in data]
    theirs = [torch.tensor(x, requires_grad=True) for x in data]
    y, t = dl.einsum(subscripts, *ours), torch.einsum(subscripts, *theirs)
    np.testing.assert_allclose(y.data, t.detach().numpy(), rtol=1e-9, atol=1e-12)
    g = normal(y.shape, 9)
    y.backward(g)
    t.backward(torch.tensor(g))
    for x, u in zip(ours, theirs, strict=True):
        assert x.grad.shape == x.shape
        np.testing.assert_allclose(x.grad.data, u.grad.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("subscripts", ["ij->", "ij,jk->ik", "ij->ij", "ij,ij->i"])
def test_an_infinite_gradient_of_an_einsum_stays_in_its_place(subscripts: str) -> None:
    shapes = [(2, 3), (3, 2) if "jk" in subscripts else (2, 3)][: subscripts.count(",") + 1]
    ours = [Tensor(np.ones(shape), requires_grad=True) for shape in shapes]
    theirs = [torch.ones(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    y, t = dl.einsum(subscripts, *ours), torch.einsum(subscripts, *theirs)
    g = np.ones(y.shape)
    g[(0,) * y.ndim] = np.inf
    y.backward(g)
    t.backward(torch.tensor(g))
    for x, u in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(x.grad.data, u.grad.numpy())


def test_a_product_is_differentiated_beside_zeros_and_infinities() -> None:
    # PyTorch divides the product by each element, which gives nan at the infinite one.
    x = Tensor([np.inf, 2.0, 3.0], requires_grad=True)
    x_with_zeros = Tensor([0.0, 2.0, 0.0, 3.0], requires_grad=True)
    (dl.prod(x) + dl.prod(x_with_zeros[:3]) + dl.prod(x_with_zeros[1:2])).backward()
    np.testing.assert_array_equal(x.grad.data, [6.0, np.inf, np.inf])
    np.testing.assert_array_equal(x_with_zeros.grad.data, [0.0, 1.0, 0.0, 0.0])


def test_gelu_keeps_its_digits_in_the_lower_tail() -> None:
    # P(Z <= -10) for a standard normal Z.
    np.testing.assert_allclose(dl.gelu(np.array(-10.0)), -7.619853024160527e-23, rtol=1e-12)


def test_an_infinite_gradient_does_not_leak_into_elements_that_were_clipped() -> None:
    x = Tensor([-1.0, 0.5], requires_grad=True)
    dl.clip(x, 0, 1).backward([np.inf, 1.0])
    np.testing.assert_array_equal(x.grad.data, [0.0, 1.0])


def test_labels_may_be_an_input_of_a_static_graph() -> None:
    def losses(logits, labels):
        scores = dl.log_softmax(logits, axis=1)
        looked_up = -dl.take_along_axis(scores, dl.expand_dims(labels, 1), axis=1).mean()
        masked = -(scores * dl.one_hot(labels, 4)).sum(axis=1).mean()
        return looked_up, masked

    graph = trace(losses, normal((3, 4)), np.zeros(3, int))
    for seed, labels in enumerate([np.array([0, 1, 2]), np.array([3, 3, 0])]):
        logits = normal((3, 4), seed)
        expected = torch.nn.functional.cross_entropy(torch.tensor(logits), torch.tensor(labels))
        np.testing.assert_allclose(graph.run(logits, labels), [expected.item()] * 2, rtol=1e-12)


def test_lookup_along_an_axis_takes_indices_that_are_tensors() -> None:
    logits = Tensor(normal((3, 4)), requires_grad=True)
    labels = Tensor(np.array([1, 0, 3]))
    chosen = dl.take_along_axis(logits, dl.expand_dims(labels, 1), axis=1)
    chosen.sum().backward()
    np.testing.assert_array_equal(chosen.data[:, 0], logits.data[np.arange(3), labels.data])
    np.testing.assert_array_equal(logits.grad.data, dl.one_hot(labels.data, 4))


def test_an_operation_that_is_not_in_the_table_has_no_attribute() -> None:
    with pytest.raises(AttributeError, match="there is no operation 'gelp' in the table"):
        _ = operations.gelp
