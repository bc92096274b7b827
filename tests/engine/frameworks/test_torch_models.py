"""Models, losses and training steps that PyTorch recorded give the numbers of PyTorch."""

from __future__ import annotations

import itertools
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

from dlcourse.frameworks import UnknownOperationError, from_torch
from frameworks.torch_tools import assert_same, both_dtypes, export, normal, seeded


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


# Models with several inputs, of these shapes.
WHOLE: dict[str, tuple[Callable[[], nn.Module], tuple[tuple[int, ...], ...]]] = {
    "RNN": (lambda: nn.RNN(3, 4, nonlinearity="relu", bias=False), ((5, 2, 3),)),
    "GRU": (lambda: nn.GRU(3, 4, batch_first=True), ((2, 5, 3), (1, 2, 4))),
    "GRU, two layers, both directions": (
        lambda: nn.GRU(3, 4, 2, bidirectional=True), ((5, 2, 3),)
    ),
    "LSTM": (lambda: nn.LSTM(3, 4, 2), ((5, 2, 3),)),
    "LSTM, projected": (lambda: nn.LSTM(3, 4, proj_size=2), ((5, 2, 3),)),
    "RNN cell": (lambda: nn.RNNCell(3, 4), ((5, 3),)),
    "GRU cell": (lambda: nn.GRUCell(3, 4), ((5, 3),)),
    "LSTM cell": (lambda: nn.LSTMCell(3, 4), ((5, 3),)),
    "multi-head attention": (
        lambda: nn.MultiheadAttention(8, 2, batch_first=True), ((3, 5, 8),) * 3
    ),
    "encoder layer": (lambda: nn.TransformerEncoderLayer(8, 2, 16), ((5, 3, 8),)),
    "encoder layer, norm first": (
        lambda: nn.TransformerEncoderLayer(
            8, 2, 16, activation="gelu", batch_first=True, norm_first=True
        ),
        ((5, 3, 8),),
    ),
    "encoder": (
        lambda: nn.TransformerEncoder(
            nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2, enable_nested_tensor=False
        ),
        ((5, 3, 8),),
    ),
    "decoder layer": (lambda: nn.TransformerDecoderLayer(8, 2, 16), ((5, 3, 8), (4, 3, 8))),
    "transformer": (lambda: nn.Transformer(8, 2, 1, 1, 16), ((5, 3, 8), (4, 3, 8))),
    "group norm": (lambda: nn.GroupNorm(2, 4), ((5, 4, 3),)),
    "instance norm": (lambda: nn.InstanceNorm2d(4, affine=True), ((5, 4, 3, 3),)),
    "RMS norm": (lambda: nn.RMSNorm(4), ((2, 4),)),
    "bilinear": (lambda: nn.Bilinear(3, 4, 5), ((2, 3), (2, 4))),
    "volumes": (
        lambda: nn.Sequential(nn.Conv3d(2, 3, 2), nn.MaxPool3d(2), nn.PReLU()), ((2, 2, 5, 5, 5),)
    ),
    "signal, transposed": (
        lambda: nn.Sequential(nn.ConvTranspose1d(2, 4, 3, 2), nn.PReLU()), ((2, 2, 5),)
    ),
}  # fmt: skip


@pytest.mark.parametrize(("build", "shapes"), WHOLE.values(), ids=WHOLE)
def test_whole_models_and_their_gradients_give_the_numbers_of_pytorch(
    build: Callable[[], nn.Module], shapes: tuple[tuple[int, ...], ...]
) -> None:
    model = seeded(build(), torch.float64)
    inputs = tuple(normal(*shape, dtype=torch.float64) * 0.9**i for i, shape in enumerate(shapes))
    assert_same(from_torch(export(model, *inputs)).run(*inputs), model(*inputs), torch.float64)

    def loss(parameters: dict[str, torch.Tensor], *inputs: torch.Tensor) -> torch.Tensor:
        results = tree_leaves(torch.func.functional_call(model, parameters, inputs))
        return torch.stack([(y**3).sum() for y in results]).sum()

    step, arguments = torch.func.grad(loss), (parameters_of(model), *inputs)
    imported = from_torch(make_fx(step)(*arguments))
    assert_same(imported.run(*arguments), step(*arguments), torch.float64)


def test_the_gradient_of_an_lstm_in_float32_names_the_operation_of_its_library() -> None:
    model, x = nn.LSTM(3, 4), normal(5, 2, 3)
    step = torch.func.grad(
        lambda parameters, x: torch.func.functional_call(model, parameters, (x,))[0].sum()
    )
    with pytest.raises(UnknownOperationError, match=r"aten\.mkldnn_rnn_layer"):
        from_torch(make_fx(step)(parameters_of(model), x))


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
    # F.smooth_l1_loss takes l1_loss if beta is 0; 0, 1 and 2 are the reductions.
    "smooth l1, beta 0": lambda z, n: torch.ops.aten.smooth_l1_loss(z, z.tanh(), 1, 0.0),
    "smooth l1, beta 0, sum": lambda z, n: torch.ops.aten.smooth_l1_loss(z, z.tanh(), 2, 0.0),
    "smooth l1, beta 0, none": lambda z, n: (
        torch.ops.aten.smooth_l1_loss(z, z.tanh(), 0, 0.0).square().sum()
    ),
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

    with torch.no_grad(), pytest.raises(UnknownOperationError, match="track_running_stats=False"):
        from_torch(make_fx(forward)(buffers, x))


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
