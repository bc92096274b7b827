"""Losses in a static graph; labels are inputs of the graph, whose values are not known yet."""

from __future__ import annotations

import numpy as np
import pytest
from loss_cases import CASES, labels_for, normal

from dlcourse import Tensor, losses
from dlcourse.graphs import compile, gradient, placeholder, trace


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's, where every label is ignored
def test_a_traced_and_a_compiled_loss_have_the_value_and_gradient_of_the_dynamic_graph(
    case,
) -> None:
    graph = trace(lambda *xs: case.ours(*xs, reduction="mean"), *case.inputs)
    tensors = [Tensor(x, requires_grad=x.dtype.kind == "f") for x in case.inputs]
    loss = case.ours(*tensors, reduction="mean")
    loss.backward()
    expected = [loss.data, *(x.grad.data for x in tensors if x.requires_grad)]
    derived = gradient(graph)
    for results in (derived.run(*case.inputs), compile(derived)(*case.inputs)):
        for found, wanted in zip(results, expected, strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("ignore_index", [None, -100, 1])
def test_labels_that_are_not_known_yet_may_be_ignored(ignore_index) -> None:
    logits, labels = normal((6, 3)), labels_for((6, 3), 1, ignore_index)

    def loss(logits, labels):
        return losses.cross_entropy(logits, labels, ignore_index=ignore_index)

    graph = trace(loss, logits, np.zeros(6, int))
    np.testing.assert_allclose(graph.run(logits, labels)[0], loss(logits, labels), rtol=1e-12)


def test_shapes_and_dtypes_of_a_symbol_are_checked() -> None:
    logits = placeholder((6, 3), np.float32)
    with pytest.raises(ValueError, match=r"labels \(5,\)"):
        losses.cross_entropy(logits, placeholder((5,), np.int64))
    with pytest.raises(TypeError, match=r"integer labels.*float32"):
        losses.cross_entropy(logits, placeholder((6,), np.float32))
