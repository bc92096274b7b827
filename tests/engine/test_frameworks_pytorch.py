"""Graphs that PyTorch recorded compute the same numbers in dlcourse."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 (the name that PyTorch's own documentation uses)
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._pytree import tree_leaves

from dlcourse.frameworks import ImportedGraph, UnknownOperationError, from_torch

TOLERANCE = {
    torch.float32: {"rtol": 1e-5, "atol": 1e-6},
    torch.float64: {"rtol": 1e-12, "atol": 1e-13},
}
both_dtypes = pytest.mark.parametrize("dtype", list(TOLERANCE), ids=["float32", "float64"])


def assert_same(ours: list[np.ndarray], theirs: Any, dtype: torch.dtype = torch.float32) -> None:
    leaves = tree_leaves(theirs)
    assert len(ours) == len(leaves)
    for a, b in zip(ours, leaves, strict=True):
        expected = b.detach().numpy()
        assert (np.shape(a), a.dtype) == (expected.shape, expected.dtype)
        np.testing.assert_allclose(a, expected, **TOLERANCE[dtype])


def normal(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(0))


def export(
    f: Callable[..., Any] | nn.Module, *inputs: torch.Tensor
) -> torch.export.ExportedProgram:
    class Wrapped(nn.Module):
        def forward(self, *arguments: torch.Tensor) -> Any:
            return f(*arguments)

    return torch.export.export(f if isinstance(f, nn.Module) else Wrapped(), inputs)


def seeded(model: nn.Module, dtype: torch.dtype = torch.float32) -> nn.Module:
    """The model with parameters and running statistics that are all different from the default."""
    generator = torch.Generator().manual_seed(1)
    for name, value in model.state_dict().items():
        if value.is_floating_point():
            value.copy_(torch.rand(value.shape, generator=generator) - 0.5 * ("var" not in name))
    return model.to(dtype).eval()


def small_cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(4, 6, 3, stride=2, dilation=(1, 2), groups=2), nn.ReLU(), nn.AvgPool2d(2, 1),
        nn.Flatten(), nn.Dropout(), nn.Linear(6, 4),
    )  # fmt: skip


MODELS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "CNN": (small_cnn, (2, 2, 12, 14)),
    "image without a batch": (
        lambda: nn.Sequential(nn.Conv2d(2, 3, 2), nn.MaxPool2d(2)),
        (2, 7, 6),
    ),
    "same": (lambda: nn.Sequential(nn.Conv2d(2, 3, 4, padding="same")), (1, 2, 5, 6)),
    "signal": (
        lambda: nn.Sequential(nn.Conv1d(2, 3, 3, stride=2, padding=1), nn.BatchNorm1d(3)),
        (2, 2, 9),
    ),
    "upsampling": (
        lambda: nn.Sequential(nn.ConvTranspose2d(2, 4, 3, 2, 1, output_padding=1, groups=2)),
        (1, 2, 4, 5),
    ),
    "pooling": (
        lambda: nn.Sequential(
            nn.MaxPool2d(3, 2, padding=1),
            nn.AvgPool2d((3, 2), 1, padding=1, count_include_pad=False),
            nn.AdaptiveAvgPool2d(2),
            nn.GELU(),
            nn.SiLU(),
        ),
        (2, 3, 7, 10),
    ),
    "activations": (
        lambda: nn.Sequential(
            nn.ELU(0.5),
            nn.LeakyReLU(0.2),
            nn.Softplus(2.0, 1.0),
            nn.Hardtanh(-0.5, 0.8),
            nn.GELU("tanh"),
            nn.ReLU6(),
            nn.SELU(),
        ),
        (3, 4),
    ),
    "MLP": (lambda: nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2)), (7, 3)),
    "one example": (lambda: nn.Sequential(nn.Linear(3, 5), nn.Tanh()), (3,)),
    "no bias": (lambda: nn.Sequential(nn.Linear(3, 5, bias=False), nn.Sigmoid()), (2, 4, 3)),
    "softmax classifier": (lambda: nn.Sequential(nn.Linear(4, 3), nn.Softmax(-1)), (6, 4)),
    "batch norm": (lambda: nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU()), (6, 3)),
    "layer norm": (
        lambda: nn.Sequential(nn.LayerNorm([2, 3]), nn.Dropout(), nn.Flatten()),
        (5, 2, 3),
    ),
}


@pytest.mark.parametrize(("build", "shape"), MODELS.values(), ids=MODELS)
@pytest.mark.parametrize(
    ("dtype", "decompose"),
    [(torch.float32, False), (torch.float64, True)],
    ids=["as exported, float32", "core aten, float64"],
)
def test_models_give_the_numbers_of_pytorch(
    build: Callable[[], nn.Module], shape: tuple[int, ...], dtype: torch.dtype, decompose: bool
) -> None:
    model, x = seeded(build(), dtype), normal(*shape, dtype=dtype)
    exported = export(model, x)
    imported = from_torch(exported.run_decompositions() if decompose else exported)
    assert_same(imported.run(x), model(x), dtype)


# What a graph holds besides layers: each line is one function of random arrays a (3, 4), b (3, 4)
# and of integers n (3,) from 0 to 3.
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "arithmetic": lambda a, b, n: (
        a + b * 2 - 3 / a.abs(), torch.add(a, b, alpha=2), torch.rsub(a, b, alpha=2), 1 - a,
    ),
    "powers": lambda a, b, n: (a**2, a.abs() ** b, 2**a, a.square(), (a * a).rsqrt()),
    "functions": lambda a, b, n: (
        a.exp(), a.abs().log(), a.sin(), a.cos(), a.tanh(), a.sigmoid(), a.relu(), -a, a.sign(),
        a.abs().sqrt(), a.reciprocal(), a.abs().log1p(), a.expm1(), a.erf(), a.floor(), a.tan(),
    ),
    "activations": lambda a, b, n: (
        F.gelu(a), F.gelu(a, approximate="tanh"), F.silu(a), F.elu(a, 0.5), F.selu(a),
        F.softplus(a, 3, 1),
        F.leaky_relu(a, 0.2), F.hardtanh(a, -0.5, 0.5), F.relu6(a * 9),
    ),
    "clamp": lambda a, b, n: (torch.clamp(a, b, b + 1), a.clamp(-0.5, 0.5), a.clamp(min=0),
    a.clamp(max=0.1)),
    "comparisons": lambda a, b, n: (a < b, a >= 0, (a == b) | (a > 0), (a != b) & (b > 0),
    ~(a > b)),
    "choices": lambda a, b, n: (
        torch.where(a > b, a, b), torch.maximum(a, b), torch.minimum(a, b),
        a.masked_fill(b > 0, -1.0),
    ),
    "reductions": lambda a, b, n: (
        a.sum(), a.sum(0), a.sum((0, 1)), a.mean(-1, keepdim=True), a.mean(), a.max(), a.min(),
        a.amax(1), a.amin(0), a.logsumexp(1), a.prod(1), a.prod(), a.var(0), a.var(),
        a.std(1, keepdim=True),
        a.var((0, 1), correction=0), a.norm(), a.norm(dim=1), a.norm(1, dim=0), a.cumsum(1),
        *a.max(1),
        *a.min(0, keepdim=True), a.argmax(), a.argmin(1), torch.linalg.vector_norm(a, 3, dim=1),
        torch.linalg.vector_norm(a, torch.inf),
    ),
    "softmax": lambda a, b, n: (a.softmax(0), a.log_softmax(-1)),
    "products": lambda a, b, n: (a @ b.T, a[0] @ b[0], a @ b[0],
    torch.addmm(a, b[:, :3], b, beta=2, alpha=0.5), torch.stack([a,
    b]).bmm(torch.stack([b.T, a.T]))),
    "einsum": lambda a, b, n: (torch.einsum("ij,kj->ik", a, b), a.tril(), a.triu(1)),
    "order": lambda a, b, n: (
        *a.sort(1), *a.sort(0, descending=True), *a.topk(2), *a.topk(2, largest=False), a.flip(0),
        a.roll(1),
        a.roll((1, -1), (0, 1)),
    ),
    "indices": lambda a, b, n: (
        a[:, n], a[n.clamp(max=2)], a.index_select(1, n), a[torch.arange(3), n],
        a.gather(1, n[:, None]),
        a.T[n, torch.arange(3)], a[torch.tensor([0, -1])], a.gather(0,
        torch.tensor([[0, 2], [1, 1]])),
        F.embedding(n, a.T), torch.zeros(3, 4).scatter_add(1, n[:, None], b),
    ),
    "padding": lambda a, b, n: (F.pad(a, (1, 2)), F.pad(a, (0, 1, 2, 0), value=3.0),
    a.repeat(2, 1, 3)),
    "shapes": lambda a, b, n: (
        a.reshape(2, -1), a.view(12), a.T, a.permute(1, 0), a.transpose(0, 1), a.flatten(),
        a.unsqueeze(1).expand(3, 2, 4), a[:, :1].squeeze(1), a[None].squeeze(),
    ),
    "parts": lambda a, b, n: (
        a[1], a[:, 2], a[1:, ::2], a[-2:], *a.split(2, 1), *a.chunk(2), *a.unbind(1),
        *a.split([1, 2]),
    ),
    "joins": lambda a, b, n: (torch.cat([a, b], 1), torch.stack([a, b], -1)),
    "integers": lambda a, b, n: (n + 1, n / 2, n * a[:, 0], n.float().mean(), n.sum(),
    (n > 1).sum()),
    "constants": lambda a, b, n: (
        torch.zeros_like(a) + b, torch.ones(4) * a, torch.arange(4) * a,
        torch.full((3, 1), 2.0) + a,
        torch.tensor([1.0, 2.0, 3.0, 4.0]) - a,
    ),
    "types": lambda a, b, n: (
        a.sum(dtype=torch.float64), a.softmax(0, dtype=torch.float64), n.type_as(a),
        a.double() * 2, n.to(torch.float32), a.to(b.dtype), (a > 0).float(),
    ),
}  # fmt: skip


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
@pytest.mark.parametrize("decompose", [False, True], ids=["as exported", "core aten"])
def test_functions_give_the_numbers_of_pytorch(
    function: Callable[..., Any], decompose: bool
) -> None:
    inputs = (normal(3, 4), normal(4, 3).T.contiguous(), torch.tensor([3, 0, 1]))
    exported = export(function, *inputs)
    imported = from_torch(exported.run_decompositions() if decompose else exported)
    assert_same(imported.run(*inputs), function(*inputs))


LOSSES: dict[str, Callable[..., torch.Tensor]] = {
    "cross-entropy": lambda z, n: F.cross_entropy(z, n),
    "sum": lambda z, n: F.cross_entropy(z, n, reduction="sum"),
    "none": lambda z, n: F.cross_entropy(z, n, reduction="none").square().sum(),
    "ignored label": lambda z, n: F.cross_entropy(z, n, ignore_index=1),
    "label smoothing": lambda z, n: F.cross_entropy(z, n, label_smoothing=0.1),
    "smoothing, ignored label": lambda z, n: F.cross_entropy(
        z, n, label_smoothing=0.1, ignore_index=0
    ),
    "class weights": lambda z, n: F.cross_entropy(z, n, weight=torch.arange(1, 5).to(z.dtype)),
    "weights, smoothing": lambda z, n: F.cross_entropy(
        z, n, weight=torch.arange(1, 5).to(z.dtype), label_smoothing=0.2, ignore_index=2
    ),
    "probabilities": lambda z, n: F.cross_entropy(z, (-z.detach()).softmax(1)),
    "one example": lambda z, n: F.cross_entropy(z[0], n[0]),
    "pixels": lambda z, n: F.cross_entropy(z.T.reshape(1, 4, -1), n[None]),
    "nll": lambda z, n: F.nll_loss(z.sigmoid().log(), n),
    "mse": lambda z, n: F.mse_loss(z, z.tanh()),
    "mae": lambda z, n: F.l1_loss(z, z.tanh()),
    "huber": lambda z, n: F.huber_loss(z, z.tanh(), delta=0.1),
    "smooth l1": lambda z, n: F.smooth_l1_loss(z, z.tanh(), beta=0.1, reduction="sum"),
    "bce": lambda z, n: F.binary_cross_entropy(z.sigmoid(), (z.detach() > 0).to(z.dtype)),
    "bce, weights": lambda z, n: F.binary_cross_entropy(
        z.sigmoid(), z.detach().tanh().square(), weight=torch.arange(1, 5).to(z.dtype)
    ),
    "bce, logits": lambda z, n: F.binary_cross_entropy_with_logits(
        z, z.detach().sin().square(), pos_weight=torch.arange(1, 5).to(z.dtype)
    ),
    "mse, sum": lambda z, n: F.mse_loss(z, z.tanh(), reduction="sum"),
}


@both_dtypes
@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_losses_and_their_gradient_graphs_give_the_numbers_of_pytorch(
    loss: Callable[..., torch.Tensor], dtype: torch.dtype
) -> None:
    logits, labels = normal(5, 4, dtype=dtype), torch.tensor([3, 0, 1, 2, 2])
    step = torch.func.grad_and_value(loss)
    imported = from_torch(export(loss, logits, labels))
    assert_same(imported.run(logits, labels), loss(logits, labels), dtype)
    recorded = make_fx(step)(logits, labels)
    assert_same(from_torch(recorded).run(logits, labels), step(logits, labels), dtype)


def training_step(
    model: nn.Module, loss: Callable[..., torch.Tensor], rate: float = 0.1
) -> Callable[..., Any]:
    """(parameters, x, target) to the parameters after a gradient descent step, and the loss."""

    def loss_of(parameters: dict[str, torch.Tensor], x: torch.Tensor, target: torch.Tensor) -> Any:
        return loss(torch.func.functional_call(model, parameters, (x,)), target)

    def step(parameters: dict[str, torch.Tensor], x: torch.Tensor, target: torch.Tensor) -> Any:
        gradients, value = torch.func.grad_and_value(loss_of)(parameters, x, target)
        return {k: p - rate * gradients[k] for k, p in parameters.items()}, value

    return step


def parameters_of(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: p.detach() for name, p in model.named_parameters()}


# The layers before the last one, which is Linear(5, 4), and the shape of the input.
TRAINED: dict[str, tuple[Callable[[], list[nn.Module]], tuple[int, ...]]] = {
    "relu": (lambda: [nn.Linear(3, 5), nn.ReLU()], (6, 3)),
    "tanh, sigmoid": (lambda: [nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 5), nn.Sigmoid()], (6, 3)),
    "other activations": (
        lambda: [
            nn.Linear(3, 5), nn.GELU(), nn.SiLU(), nn.ELU(0.5), nn.LeakyReLU(), nn.Softplus(),
            nn.Hardtanh(), nn.GELU("tanh"), nn.SELU(),
        ],
        (6, 3),
    ),
    "softmax": (lambda: [nn.Linear(3, 5), nn.Softmax(-1)], (6, 3)),
    "layer norm": (lambda: [nn.Linear(3, 5), nn.LayerNorm(5)], (6, 3)),
    "batch norm, its own statistics": (
        lambda: [nn.Linear(3, 5), nn.BatchNorm1d(5, track_running_stats=False)], (6, 3),
    ),
    "batch norm, running statistics": (lambda: [nn.Linear(3, 5), nn.BatchNorm1d(5)], (6, 3)),
    "CNN": (
        lambda: [
            nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(4, 5, 3, stride=2), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(),
        ],
        (6, 2, 10, 11),
    ),
    "overlapping windows": (
        lambda: [
            nn.Conv2d(2, 4, (3, 2), dilation=2, groups=2), nn.MaxPool2d(3, 2, padding=1), nn.Tanh(),
            nn.AvgPool2d(3, 1, padding=1, count_include_pad=False), nn.ConvTranspose2d(4, 5, 2, 2),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        ],
        (6, 2, 9, 10),
    ),
    "signal": (
        lambda: [nn.Conv1d(2, 5, 3, padding=1, stride=2), nn.Tanh(), nn.Flatten(),
        nn.Linear(20, 5)], (6, 2, 8),
    ),
}  # fmt: skip


@both_dtypes
@pytest.mark.parametrize(("layers", "shape"), TRAINED.values(), ids=TRAINED)
def test_a_training_step_gives_the_parameters_of_pytorch(
    layers: Callable[[], list[nn.Module]], shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    model = seeded(nn.Sequential(*layers(), nn.Linear(5, 4)), dtype)
    step = training_step(model, F.cross_entropy)
    labels = torch.tensor([0, 1, 2, 3, 3, 1])
    arguments = (parameters_of(model), normal(*shape, dtype=dtype), labels)
    imported = from_torch(make_fx(step)(*arguments))
    assert_same(imported.run(*arguments), step(*arguments), dtype)


def test_a_step_that_trains_embeddings_gives_the_parameters_of_pytorch() -> None:
    model = seeded(nn.Sequential(nn.Embedding(7, 3, padding_idx=2), nn.Flatten(), nn.Linear(6, 4)))
    step = training_step(model, F.cross_entropy)
    words = torch.tensor([[0, 3], [2, 6], [3, 3]])
    arguments = (parameters_of(model), words, torch.tensor([0, 1, 3]))
    imported = from_torch(make_fx(step)(*arguments))
    assert_same(imported.run(*arguments), step(*arguments))


INDEXED: dict[str, Callable[..., torch.Tensor]] = {
    "rows": lambda a, n: a[n],
    "elements": lambda a, n: a[torch.arange(len(n)), n],
    "columns": lambda a, n: a[:, n] ** 2,
    "gather": lambda a, n: a.gather(1, n[:, None]),
    "parts": lambda a, n: a[1:, 0] * a[0, 1:3].sum() + a[:, ::2].sum(),
    "largest": lambda a, n: a.amax(1),
}


@pytest.mark.parametrize("function", INDEXED.values(), ids=INDEXED)
def test_gradients_of_parts_are_those_of_pytorch(function: Callable[..., torch.Tensor]) -> None:
    a, n = normal(3, 4), torch.tensor([2, 0, 2])
    gradient = torch.func.grad(lambda a, n: function(a, n).square().sum())
    imported = from_torch(make_fx(gradient)(a, n))
    assert_same(imported.run(a, n), gradient(a, n))


def test_twenty_training_steps_follow_pytorch() -> None:
    model = seeded(nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 1)))
    step = training_step(model, F.mse_loss)
    x = normal(10, 3)
    y = x[:, :1] * x[:, 1:2]
    theirs = parameters_of(model)
    ours: Any = [p.numpy() for p in theirs.values()]
    imported = from_torch(make_fx(step)(theirs, x, y))
    for _ in range(20):
        theirs, loss = step(theirs, x, y)
        *ours, our_loss = imported.run(ours, x, y)
        np.testing.assert_allclose(our_loss, loss.item(), rtol=1e-5)
    assert_same(ours, theirs)


def test_inputs_that_the_recorded_function_overwrites_are_updates() -> None:
    def step(w: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            y = w * x
            w.sub_(y, alpha=0.1)
            w[0] *= 2
        return w + y

    w, x = normal(3), torch.arange(3.0)
    imported = from_torch(make_fx(step)(w.clone(), x))
    assert imported.updates == ("w_1",)
    ours = imported.run(w, x)
    assert_same(ours, (step(w, x), w))


def test_running_statistics_of_a_model_in_training_are_updates() -> None:
    model = seeded(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))).train()
    x = normal(5, 3)
    imported = from_torch(export(model, x))
    assert imported.updates == ("1.running_mean", "1.running_var", "1.num_batches_tracked")
    ours = imported.run(x)
    theirs = model(x)  # also updates the model's buffers
    assert_same(ours, (theirs, *(model.state_dict()[name] for name in imported.updates)))


def test_running_statistics_of_a_batch_norm_without_a_module_are_updates() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mean", torch.zeros(3))
            self.register_buffer("variance", torch.ones(3), persistent=False)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return F.batch_norm(x, self.mean, self.variance, training=True)

    model, x = Model(), normal(5, 3)
    imported = from_torch(export(model, x))
    assert imported.updates == ("mean", "variance")
    ours = imported.run(x)
    assert_same(ours, (model(x), model.mean, model.variance))


def test_running_statistics_that_the_recorded_graph_hides_are_an_error() -> None:
    model, x = seeded(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))).train(), normal(5, 3)
    buffers = {name: b.clone() for name, b in model.named_buffers()}

    def forward(buffers: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(model, buffers, (x,))

    with torch.no_grad(), pytest.raises(ValueError, match="track_running_stats=False"):
        from_torch(make_fx(forward)(buffers, x))


# --- Names, parameters, errors ----------------------------------------------------------------


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
            self.layer = nn.CELU()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = torch.special.i0(x)
            return self.layer(y)  # its line, not that in PyTorch

    with pytest.raises(UnknownOperationError) as caught:
        from_torch(export(Model(), normal(3)))
    text = str(caught.value)
    assert "aten.special_i0.default" in text
    assert "aten.celu.default" in text
    assert f"{__file__}, line" in text
    assert "y = torch.special.i0(x)" in text
    assert "return self.layer(y)  # its line" in text
    assert "aten.relu.default" in text.split("It has counterparts of: ")[1]


def test_an_unknown_operation_that_no_output_needs_is_no_error() -> None:
    def model(x: torch.Tensor) -> torch.Tensor:
        torch.special.i0(x)
        return x * 2

    x = normal(3)
    assert_same(from_torch(export(model, x)).run(x), x * 2)


def test_a_graph_that_cannot_be_traced_says_in_which_operation() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.5)).train()
    with pytest.raises(ValueError, match=r"model\.eval") as caught:
        from_torch(export(model, normal(4, 3)))
    assert "aten.dropout.default" in caught.value.__notes__[0]


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


@given(
    widths=st.lists(st.integers(1, 6), min_size=2, max_size=4),
    batch=st.integers(1, 5),
    activation=st.sampled_from([nn.ReLU, nn.Tanh, nn.Sigmoid]),
    seed=st.integers(0, 99),
)
@settings(max_examples=15, deadline=None, derandomize=True)
def test_networks_of_any_width_take_the_step_of_pytorch(
    widths: list[int], batch: int, activation: type[nn.Module], seed: int
) -> None:
    torch.manual_seed(seed)
    layers = [m for i, o in itertools.pairwise(widths) for m in (nn.Linear(i, o), activation())]
    model = nn.Sequential(*layers[:-1]).double()
    x = torch.randn(batch, widths[0], dtype=torch.float64)
    labels = torch.randint(widths[-1], (batch,))
    step = training_step(model, F.cross_entropy)
    arguments = (parameters_of(model), x, labels)
    imported = from_torch(make_fx(step)(*arguments))
    assert_same(imported.run(*arguments), step(*arguments), torch.float64)
