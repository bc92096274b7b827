"""What from_torch returns: names, stored values, drawings; and its errors."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.fx.experimental.proxy_tensor import make_fx

from dlcourse import ops
from dlcourse.frameworks import ImportedGraph, UnknownOperationError, compositions, from_torch
from frameworks.torch_tools import assert_same, export, normal, seeded


def small() -> tuple[nn.Module, torch.Tensor, ImportedGraph]:
    model, x = seeded(nn.Sequential(nn.Linear(3, 2), nn.ReLU())), normal(4, 3)
    return model, x, from_torch(export(model, x))


def test_parameters_are_inputs_under_their_paths_and_copies() -> None:
    model, x, imported = small()
    assert list(imported.inputs) == ["0.weight", "0.bias", "input"]
    assert [s.name for s in imported.graph.inputs] == ["0.weight", "0.bias", "input"]
    assert imported.inputs["input"] is None
    before = model(x)
    with torch.no_grad():
        model[0].weight.zero_()
    assert_same(imported.run(x), before)


def test_a_stored_value_can_be_replaced() -> None:
    _, x, imported = small()
    imported.inputs |= {"0.weight": np.zeros((2, 3), np.float32), "0.bias": np.ones(2, np.float32)}
    assert np.array_equal(imported.run(x)[0], np.ones((4, 2)))


def test_reading_is_the_first_thing_that_imports_a_framework() -> None:
    program = "import sys, dlcourse.frameworks; print({'torch', 'tensorflow'} & {*sys.modules})"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.stdout == "set()\n"


def test_frozen_parameters_are_constants() -> None:
    model, x, _ = small()
    frozen = from_torch(export(model, x), freeze=True)
    assert [s.name for s in frozen.graph.inputs] == ["input"]
    assert_same(frozen.run(x), model(x))


def test_an_argument_that_is_a_number_is_a_constant() -> None:
    class Model(nn.Module):
        def forward(self, x: torch.Tensor, scale: float, shift: torch.Tensor) -> torch.Tensor:
            return x * scale + shift

    x, shift = normal(3), normal(1)
    imported = from_torch(torch.export.export(Model(), (x, 2.5, shift)))
    assert_same(imported.run(x, shift), x * 2.5 + shift)


def test_a_wrong_number_of_arrays_is_an_error_that_names_them() -> None:
    _, x, imported = small()
    with pytest.raises(TypeError, match=r"expected 1 arrays \(input\), got 2"):
        imported.run(x, x)


def test_unknown_operations_are_named_all_at_once_with_their_lines() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.FractionalMaxPool2d(2, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = torch.special.i0(x)
            return self.layer(y)  # its line, not that in PyTorch

    with pytest.raises(UnknownOperationError) as caught:
        from_torch(export(Model(), normal(1, 1, 4, 4)))
    text = str(caught.value)
    assert "aten.i0.default" in text
    assert "aten.fractional_max_pool2d.default" in text
    assert f"{__file__}, line" in text
    assert "y = torch.special.i0(x)" in text
    assert "return self.layer(y)  # its line" in text
    assert "aten.relu.default" in text.split("It has counterparts of: ")[1]


def test_a_reduction_that_dlcourse_does_not_have_is_refused() -> None:
    def model(x: torch.Tensor) -> torch.Tensor:
        return torch.scatter_reduce(x, 0, torch.tensor([0, 0, 1]), x, "prod")

    with pytest.raises(UnknownOperationError, match="has sum and mean, got 'prod'"):
        from_torch(export(model, normal(3)))


def test_an_unknown_operation_that_no_output_needs_is_no_error() -> None:
    def model(x: torch.Tensor) -> torch.Tensor:
        torch.special.i0(x)
        return x * 2

    x = normal(3)
    assert_same(from_torch(export(model, x)).run(x), x * 2)


def test_a_graph_that_cannot_be_traced_says_in_which_operation() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.5)).train()
    with pytest.raises(UnknownOperationError, match=r"(?s)aten\.dropout\.default.*model\.eval"):
        from_torch(export(model, normal(4, 3)))


# Functions that PyTorch cannot record again with zeros for the arrays; the operation to blame.
FAILING_ON_ZEROS: dict[str, tuple[Any, str]] = {
    "Cholesky factor, changed in place": (
        lambda x, n: torch.linalg.cholesky(x @ x.T + 1).mul_(2), "linalg_cholesky_ex"),
    "gradient of a repetition": (
        torch.func.grad(lambda x, n: (x[0].repeat_interleave(n) ** 2).sum()),
        r"repeat_interleave\.Tensor"),
}  # fmt: skip


@pytest.mark.parametrize(("f", "operation"), FAILING_ON_ZEROS.values(), ids=FAILING_ON_ZEROS)
def test_an_operation_that_fails_on_zeros_is_named(f: Any, operation: str) -> None:
    recorded = make_fx(f)(torch.eye(3), torch.tensor([1, 2, 3]))
    with pytest.raises(UnknownOperationError, match=rf"(?s)no counterpart.*aten\.{operation}"):
        from_torch(recorded)


def test_running_statistics_are_not_lost_where_a_graph_cannot_be_recorded_again() -> None:
    def normalized(x: torch.Tensor, mean: torch.Tensor, variance: torch.Tensor) -> Any:
        torch.ops.aten.linalg_cholesky.default(x)  # which fails on zeros, and which no output needs
        return torch.ops.aten.batch_norm.default(
            x, None, None, mean, variance, True, 0.1, 1e-5, False
        )

    graph = torch.fx.symbolic_trace(normalized)
    nodes = [node for node in graph.graph.nodes if node.op == "placeholder"]
    for node, value in zip(nodes, (torch.eye(3), torch.zeros(3), torch.ones(3)), strict=True):
        node.meta["val"] = value
    with pytest.raises(UnknownOperationError, match="track_running_stats=False"):
        from_torch(graph)


def test_a_result_of_another_shape_than_the_recorded_one_is_an_error() -> None:
    recorded = make_fx(lambda x: x * 2)(normal(3))
    (product,) = (node for node in recorded.graph.nodes if node.op == "call_function")
    product.meta["val"] = product.meta["val"].new_zeros(1, 3)
    with pytest.raises(UnknownOperationError, match=r"(?s)Expect: \(1, 3\).*Actual: \(3,\)"):
        from_torch(recorded)


def test_a_dynamic_shape_is_an_error() -> None:
    exported = torch.export.export(
        nn.ReLU(), (normal(4, 3),), dynamic_shapes=({0: torch.export.Dim("batch")},)
    )
    with pytest.raises(ValueError, match="expected a fixed shape"):
        from_torch(exported)


@pytest.mark.parametrize("other", [nn.ReLU(), torch.relu, None], ids=["module", "function", "None"])
def test_something_that_is_no_graph_is_an_error(other: Any) -> None:
    with pytest.raises(TypeError, match=r"expected an ExportedProgram .* or a GraphModule"):
        from_torch(other)


def test_a_graph_without_recorded_shapes_is_an_error() -> None:
    with pytest.raises(ValueError, match="symbolic_trace records neither"):
        from_torch(torch.fx.symbolic_trace(nn.ReLU()))


def test_the_drawing_shows_the_operations_of_pytorch() -> None:
    _, _, imported = small()
    drawing = imported.draw()
    assert [(node.kind, node.lines) for node in drawing.nodes] == [
        ("input", ("0.weight", "float32 2×3")),
        ("input", ("0.bias", "float32 2")),
        ("input", ("input", "float32 4×3")),
        ("operation", ("aten.linear.default", "float32 4×2")),
        ("operation", ("aten.relu.default", "float32 4×2")),
    ]
    assert {(e.source, e.target) for e in drawing.edges} == {(0, 3), (1, 3), (2, 3), (3, 4)}
    assert "aten.linear.default" in drawing.svg()


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x.to(torch.bfloat16) * 2,
        lambda x: torch.complex(x, x).real,
        lambda x: torch.complex(x, x).to(torch.complex32).real,
    ],
    ids=["bfloat16", "complex64", "complex32"],
)  # fmt: skip
def test_a_dtype_that_numpy_lacks_is_named_with_its_operation_and_line(
    f: Any, request: pytest.FixtureRequest
) -> None:
    with pytest.raises(UnknownOperationError) as caught:
        from_torch(export(f, normal(3)))
    dtype = request.node.callspec.id
    assert dtype in str(caught.value)
    assert "aten." in str(caught.value)
    assert ".py, line" in str(caught.value)


def test_a_parameter_whose_dtype_numpy_lacks_is_named() -> None:
    model = nn.Linear(3, 2).to(torch.bfloat16)
    with pytest.raises(UnknownOperationError, match="the input weight is bfloat16"):
        from_torch(export(model, normal(4, 3).to(torch.bfloat16)))


def test_an_array_as_a_named_argument_is_an_edge_of_the_drawing() -> None:
    def f(x: torch.Tensor, n: torch.Tensor) -> Any:
        return torch.searchsorted(x, x, sorter=n)

    x, n = torch.tensor([1.0, 0.0, 2.0]), torch.tensor([1, 0, 2])
    imported = from_torch(export(f, x, n))
    assert_same(imported.run(x, n), f(x, n))
    assert {(e.source, e.target) for e in imported.draw().edges} == {(0, 2), (1, 2)}


def test_running_statistics_that_are_no_arguments_are_an_error_that_says_so() -> None:
    model, x = nn.InstanceNorm1d(3, track_running_stats=True), normal(4, 3, 5)
    recorded = make_fx(torch.func.grad(lambda x: (model(x) ** 3).sum()))(x)
    with pytest.raises(UnknownOperationError, match="Make buffers arguments"):
        from_torch(recorded)


# Uses of operations that dlcourse has, but not in this way; what the error says.
GUARDS: dict[str, tuple[Any, str]] = {
    "bits of integers": (lambda x, n: n & 1, "on booleans only"),
    "shift of bits": (lambda x, n: n << 1, "__lshift__"),
    "norm of a matrix by singular values": (
        lambda x, n: torch.linalg.matrix_norm(x, 2), "linalg_"),
    "products scattered": (
        lambda x, n: x.scatter_reduce(0, n[None], x, "prod"), "has sum and mean, got 'prod'"),
    "mask that is computed": (lambda x, n: x[x > 0].sum(), "use torch.where"),
    "dropout": (lambda x, n: nn.functional.dropout(x, 0.5), "draws random numbers"),
    "attention with dropout": (
        lambda x, n: nn.functional.scaled_dot_product_attention(x, x, x, dropout_p=0.5),
        "draws random numbers"),
    "random numbers": (lambda x, n: x + torch.rand(3), "aten.rand.default"),
}  # fmt: skip


@pytest.mark.parametrize(("f", "text"), GUARDS.values(), ids=GUARDS)
def test_a_use_that_dlcourse_does_not_have_is_refused_with_its_line(f: Any, text: str) -> None:
    with pytest.raises(UnknownOperationError) as caught:
        from_torch(export(f, normal(3, 3), torch.tensor([1, 0, 2])))
    # Without the lines of this file, which have the expected text in them.
    message = re.sub(r"(\.py, line \d+, in [^:]*): .*", r"\1", str(caught.value))
    assert text in message
    assert ".py, line" in message


def test_gradients_divided_by_the_frequency_of_words_are_refused() -> None:
    weight, words = normal(5, 2), torch.tensor([1, 1, 3])
    step = torch.func.grad(
        lambda w: (nn.functional.embedding(words, w, scale_grad_by_freq=True) ** 2).sum()
    )
    with pytest.raises(UnknownOperationError, match=r"embedding_dense_backward"):
        from_torch(make_fx(step)(weight))


def test_an_operation_without_a_rule_for_an_argument_is_an_error() -> None:
    with pytest.raises(ValueError, match="argmax has no derivative rule for 'a'"):
        compositions.rule(ops.argmax, "a")
