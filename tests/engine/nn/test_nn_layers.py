"""Each layer has PyTorch's value, gradients and state, and runs as a static graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from dlcourse import Tensor, nn, ops
from dlcourse.graphs import gradient, trace
from dlcourse.graphs.compiler.writing import compile
from dlcourse.losses import cross_entropy
from dlcourse.nn import functional_call
from dlcourse.nn.exchange import load_into_torch
from dlcourse.optimizers import SGD
from dlcourse.training.compiled_step import compile_step

T = torch.nn


class Case(NamedTuple):
    name: str
    ours: Callable[[], nn.Module]
    theirs: Callable[[], torch.nn.Module]
    shape: tuple[int, ...]
    integers: bool = False  # whether the input is indices below 7


CASES = [
    Case("linear", lambda: nn.Linear(5, 3), lambda: T.Linear(5, 3), (4, 5)),
    Case("linear without bias", lambda: nn.Linear(5, 3, bias=False),
         lambda: T.Linear(5, 3, bias=False), (2, 4, 5)),
    Case("conv1d", lambda: nn.Conv1d(4, 6, 3, stride=2, padding=1, dilation=2, groups=2),
         lambda: T.Conv1d(4, 6, 3, stride=2, padding=1, dilation=2, groups=2), (2, 4, 9)),
    Case("conv2d", lambda: nn.Conv2d(2, 4, (3, 2), stride=(1, 2), padding=(1, 0)),
         lambda: T.Conv2d(2, 4, (3, 2), stride=(1, 2), padding=(1, 0)), (2, 2, 5, 6)),
    Case("conv2d, depthwise, same", lambda: nn.Conv2d(3, 6, 3, padding="same", groups=3),
         lambda: T.Conv2d(3, 6, 3, padding="same", groups=3), (2, 3, 4, 5)),
    Case("conv2d without bias", lambda: nn.Conv2d(2, 4, 1, bias=False),
         lambda: T.Conv2d(2, 4, 1, bias=False), (2, 2, 3, 3)),
    Case("max_pool1d", lambda: nn.MaxPool1d(2), lambda: T.MaxPool1d(2), (2, 3, 7)),
    Case("max_pool2d", lambda: nn.MaxPool2d(3, stride=2, padding=1),
         lambda: T.MaxPool2d(3, stride=2, padding=1), (2, 2, 5, 6)),
    Case("avg_pool1d", lambda: nn.AvgPool1d(3, 1), lambda: T.AvgPool1d(3, 1), (2, 3, 7)),
    Case("avg_pool2d", lambda: nn.AvgPool2d(2, padding=1), lambda: T.AvgPool2d(2, padding=1),
         (2, 2, 5, 6)),
    Case("flatten", nn.Flatten, T.Flatten, (2, 3, 4, 5)),
    Case("flatten all", lambda: nn.Flatten(0), lambda: T.Flatten(0), (2, 3, 4)),
    Case("flatten from -ndim", lambda: nn.Flatten(-3), lambda: T.Flatten(-3), (2, 3, 4)),
    Case("flatten the middle", lambda: nn.Flatten(1, 2), lambda: T.Flatten(1, 2), (2, 3, 4, 5)),
    Case("flatten the last two", lambda: nn.Flatten(-2), lambda: T.Flatten(-2), (2, 3, 4)),
    Case("embedding", lambda: nn.Embedding(7, 3), lambda: T.Embedding(7, 3), (2, 5), True),
    Case("layer norm", lambda: nn.LayerNorm(5), lambda: T.LayerNorm(5), (2, 3, 5)),
    Case("layer norm of pictures", lambda: nn.LayerNorm((2, 3), eps=0.1),
         lambda: T.LayerNorm((2, 3), eps=0.1), (4, 2, 3)),
    Case("batch norm of vectors", lambda: nn.BatchNorm1d(5), lambda: T.BatchNorm1d(5), (4, 5)),
    Case("batch norm of sequences", lambda: nn.BatchNorm1d(3, momentum=0.4),
         lambda: T.BatchNorm1d(3, momentum=0.4), (2, 3, 5)),
    Case("batch norm of pictures", lambda: nn.BatchNorm2d(3, eps=0.1, momentum=None),
         lambda: T.BatchNorm2d(3, eps=0.1, momentum=None), (2, 3, 2, 4)),
    Case("relu", nn.ReLU, T.ReLU, (3, 4)),
    Case("tanh", nn.Tanh, T.Tanh, (3, 4)),
    Case("sigmoid", nn.Sigmoid, T.Sigmoid, (3, 4)),
    Case("gelu", nn.GELU, T.GELU, (3, 4)),
    Case("gelu with tanh", lambda: nn.GELU("tanh"), lambda: T.GELU("tanh"), (3, 4)),
    Case("silu", nn.SiLU, T.SiLU, (3, 4)),
    Case("softmax", nn.Softmax, lambda: T.Softmax(-1), (3, 4)),
    Case("softmax over another axis", lambda: nn.Softmax(1), lambda: T.Softmax(1), (2, 3, 4)),
    Case("rnn", lambda: nn.RNN(4, 3), lambda: T.RNN(4, 3, batch_first=True), (2, 5, 4)),
    Case("rnn with relu, two layers", lambda: nn.RNN(4, 3, "relu", num_layers=2),
         lambda: T.RNN(4, 3, nonlinearity="relu", num_layers=2, batch_first=True), (2, 5, 4)),
    Case("rnn without bias", lambda: nn.RNN(4, 3, bias=False),
         lambda: T.RNN(4, 3, bias=False, batch_first=True), (2, 1, 4)),
    Case("gru", lambda: nn.GRU(4, 3), lambda: T.GRU(4, 3, batch_first=True), (2, 5, 4)),
    Case("gru, three layers", lambda: nn.GRU(4, 3, num_layers=3),
         lambda: T.GRU(4, 3, num_layers=3, batch_first=True), (2, 4, 4)),
    Case("lstm", lambda: nn.LSTM(4, 3), lambda: T.LSTM(4, 3, batch_first=True), (2, 5, 4)),
    Case("lstm, two layers, no bias", lambda: nn.LSTM(4, 3, num_layers=2, bias=False),
         lambda: T.LSTM(4, 3, num_layers=2, bias=False, batch_first=True), (2, 3, 4)),
    Case("rnn in both directions", lambda: nn.RNN(4, 3, bidirectional=True),
         lambda: T.RNN(4, 3, batch_first=True, bidirectional=True), (2, 5, 4)),
    Case("gru, two layers in both directions",
         lambda: nn.GRU(4, 3, num_layers=2, bidirectional=True),
         lambda: T.GRU(4, 3, num_layers=2, batch_first=True, bidirectional=True), (2, 5, 4)),
    Case("lstm, three layers in both directions, no bias",
         lambda: nn.LSTM(4, 3, num_layers=3, bias=False, bidirectional=True),
         lambda: T.LSTM(4, 3, 3, bias=False, batch_first=True, bidirectional=True), (3, 4, 4)),
    Case("lstm, time first", lambda: nn.LSTM(4, 3, batch_first=False, bidirectional=True),
         lambda: T.LSTM(4, 3, bidirectional=True), (5, 2, 4)),
    Case("conv_transpose1d", lambda: nn.ConvTranspose1d(4, 6, 3, 2, 1, 1, 2, True, 2),
         lambda: T.ConvTranspose1d(4, 6, 3, 2, 1, 1, 2, True, 2), (2, 4, 5)),
    Case("conv_transpose2d", lambda: nn.ConvTranspose2d(2, 3, (3, 2), (2, 1), bias=False),
         lambda: T.ConvTranspose2d(2, 3, (3, 2), (2, 1), bias=False), (2, 2, 3, 4)),
    Case("adaptive mean to one", lambda: nn.AdaptiveAvgPool2d(1), lambda: T.AdaptiveAvgPool2d(1),
         (2, 3, 4, 5)),
    Case("adaptive mean in uneven windows", lambda: nn.AdaptiveAvgPool2d((3, 4)),
         lambda: T.AdaptiveAvgPool2d((3, 4)), (2, 3, 5, 7)),
    Case("adaptive mean, larger than its input", lambda: nn.AdaptiveAvgPool2d((7, None)),
         lambda: T.AdaptiveAvgPool2d((7, None)), (2, 3, 5, 4)),
    Case("adaptive mean of sequences", lambda: nn.AdaptiveAvgPool1d(4),
         lambda: T.AdaptiveAvgPool1d(4), (2, 3, 10)),
    Case("adaptive mean without a batch", lambda: nn.AdaptiveAvgPool1d(3),
         lambda: T.AdaptiveAvgPool1d(3), (2, 7)),
    Case("adaptive maximum", lambda: nn.AdaptiveMaxPool2d((2, 3)),
         lambda: T.AdaptiveMaxPool2d((2, 3)), (2, 3, 5, 7)),
    Case("adaptive maximum, larger than its input", lambda: nn.AdaptiveMaxPool1d(5),
         lambda: T.AdaptiveMaxPool1d(5), (2, 3, 4)),
    Case("adaptive maximum of sequences", lambda: nn.AdaptiveMaxPool1d(4),
         lambda: T.AdaptiveMaxPool1d(4), (2, 3, 10)),
    Case("adaptive maximum of ties", lambda: nn.Sequential(nn.ReLU(), nn.AdaptiveMaxPool2d(2)),
         lambda: T.Sequential(T.ReLU(), T.AdaptiveMaxPool2d(2)), (2, 3, 5, 3)),
    Case("group norm", lambda: nn.GroupNorm(2, 6), lambda: T.GroupNorm(2, 6), (3, 6, 4)),
    Case("group norm of vectors", lambda: nn.GroupNorm(2, 6, eps=0.1),
         lambda: T.GroupNorm(2, 6, eps=0.1), (3, 6)),
    Case("group norm without weights", lambda: nn.GroupNorm(3, 6, affine=False),
         lambda: T.GroupNorm(3, 6, affine=False), (2, 6, 2, 3)),
    Case("instance norm of sequences", lambda: nn.InstanceNorm1d(3), lambda: T.InstanceNorm1d(3),
         (2, 3, 5)),
    Case("instance norm of pictures", lambda: nn.InstanceNorm2d(3, eps=0.1, affine=True),
         lambda: T.InstanceNorm2d(3, eps=0.1, affine=True), (2, 3, 2, 4)),
    Case("leaky relu", lambda: nn.LeakyReLU(0.2), lambda: T.LeakyReLU(0.2), (3, 4)),
    Case("prelu", nn.PReLU, T.PReLU, (3, 4)),
    Case("prelu for each channel", lambda: nn.PReLU(3, 0.1), lambda: T.PReLU(3, 0.1), (2, 3, 4)),
    Case("elu", lambda: nn.ELU(0.7), lambda: T.ELU(0.7), (3, 4)),
    Case("softplus", nn.Softplus, T.Softplus, (3, 4)),
    Case("softplus, sharper", lambda: nn.Softplus(3.0), lambda: T.Softplus(3.0), (3, 4)),
    Case("log sigmoid", nn.LogSigmoid, T.LogSigmoid, (3, 4)),
    Case("mish", nn.Mish, T.Mish, (3, 4)),
    Case("log softmax", nn.LogSoftmax, lambda: T.LogSoftmax(-1), (3, 4)),
    Case("softmax over dim", lambda: nn.Softmax(dim=0), lambda: T.Softmax(dim=0), (3, 4)),
    Case("identity", nn.Identity, T.Identity, (3, 4)),
    Case("transformer layer", lambda: nn.TransformerEncoderLayer(6, 2, 5, dropout=0.0),
         lambda: T.TransformerEncoderLayer(6, 2, 5, dropout=0.0, batch_first=True), (2, 4, 6)),
    Case("transformer layer, gelu, norm first, length first",
         lambda: nn.TransformerEncoderLayer(6, 3, 8, 0.0, "gelu", 1e-3, False, True),
         lambda: T.TransformerEncoderLayer(6, 3, 8, 0.0, "gelu", 1e-3, False, True), (4, 2, 6)),
    Case("a network", lambda: nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.SiLU(), nn.MaxPool2d(2), nn.Flatten(),
            nn.Linear(16, 5), nn.LayerNorm(5), nn.GELU(), nn.Linear(5, 2)),
         lambda: T.Sequential(
            T.Conv2d(1, 4, 3), T.BatchNorm2d(4), T.SiLU(), T.MaxPool2d(2), T.Flatten(),
            T.Linear(16, 5), T.LayerNorm(5), T.GELU(), T.Linear(5, 2)), (3, 1, 6, 6)),
]  # fmt: skip
each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def example(case: Case) -> np.ndarray:
    rng = np.random.default_rng(3)
    return rng.integers(0, 7, case.shape) if case.integers else rng.normal(size=case.shape)


def twins(case: Case) -> tuple[nn.Module, torch.nn.Module]:
    ours, theirs = case.ours(), case.theirs().double()
    load_into_torch(ours, theirs)
    return ours, theirs


def flat(result: Any) -> list[Any]:
    return [x for part in result for x in flat(part)] if isinstance(result, tuple) else [result]


def assert_close(ours: np.ndarray, theirs: np.ndarray) -> None:
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("training", [True, False])
@each_case
def test_a_layer_has_pytorchs_value_gradients_and_next_state(case, training) -> None:
    ours, theirs = twins(case)
    ours.train(training)
    theirs.train(training)
    x, t = Tensor(example(case)), torch.tensor(example(case))
    if not case.integers:
        x.requires_grad = True
        t.requires_grad_()
    for _ in range(2):  # the second call sees the statistics that the first has moved
        y, z = flat(ours(x)), flat(theirs(t))
        for a, b in zip(y, z, strict=True):
            assert_close(a.data, b.detach().numpy())
    if y[0].requires_grad:
        sum(((a * a).sum() for a in y), start=Tensor(0.0)).backward()
        sum((b * b).sum() for b in z).backward()
    for p, q in zip([x, *ours.parameters()], [t, *theirs.parameters()], strict=True):
        if q.grad is not None:
            assert_close(p.grad.data, q.grad.numpy())
    state = {name: value.numpy() for name, value in theirs.state_dict().items()}
    assert sorted(ours.state_dict()) == sorted(state)
    for name, value in ours.state_dict().items():
        assert_close(value, state[name])
        assert value.dtype == state[name].dtype


@each_case
def test_a_layer_runs_as_a_compiled_static_graph_of_its_parameters(case) -> None:
    layer = case.ours().eval()
    # In the order in which a dict's leaves are the inputs of a graph.
    values = dict(sorted([*layer.named_parameters(), *layer.named_buffers()]))
    x = example(case)
    graph = trace(lambda values, x: functional_call(layer, values, x), values, x)
    assert all(p is values[name] for name, p in layer.named_parameters())
    arrays = [p.data for p in values.values()]
    run = compile(graph)(*arrays, x)
    for a, b in zip(flat(layer(Tensor(x))), run, strict=True):
        np.testing.assert_allclose(a.data, b, rtol=1e-12, atol=1e-14)
    # On arrays alone it computes at once.
    at_once = functional_call(layer, {name: p.data for name, p in values.items()}, x)
    assert all(type(a) is np.ndarray for a in flat(at_once))


@each_case
def test_the_gradient_of_a_layer_runs_as_a_compiled_static_graph(case) -> None:
    layer = case.ours().eval()
    names = sorted(dict(layer.named_parameters()))
    values = {name: dict(layer.named_parameters())[name] for name in names}
    x = example(case)

    def total(values, x):
        return sum((y * y).sum() for y in flat(functional_call(layer, values, x)))

    if case.integers:
        graph = gradient(trace(lambda values: total(values, x), values), with_value=False)
        found = compile(graph)(*[p.data for p in values.values()])
        inputs = []
    else:
        graph = gradient(trace(total, values, x), with_value=False)
        found = compile(graph)(*[p.data for p in values.values()], x)
        inputs = [Tensor(x, requires_grad=True)]
    total(values, *inputs or [x]).backward()
    for p, g in zip([*values.values(), *inputs], found, strict=True):
        np.testing.assert_allclose(g, p.grad.data, rtol=1e-9, atol=1e-11)


@each_case
def test_a_layer_has_pytorchs_value_and_gradients_in_float32(case) -> None:
    ours, theirs = case.ours(), case.theirs()
    for tensor in [*ours.parameters(), *ours.buffers()]:
        if tensor.dtype == np.float64:
            tensor.data = tensor.data.astype(np.float32)
    load_into_torch(ours, theirs)
    x = example(case) if case.integers else example(case).astype(np.float32)
    a, b = Tensor(x), torch.tensor(x)
    if not case.integers:
        a.requires_grad = True
        b.requires_grad_()
    y, z = flat(ours(a)), flat(theirs(b))
    for mine, other in zip(y, z, strict=True):
        assert mine.dtype == np.float32
        np.testing.assert_allclose(mine.data, other.detach().numpy(), rtol=1e-4, atol=1e-5)
    sum((part * part).sum() for part in y).backward()
    sum((part * part).sum() for part in z).backward()
    for p, q in zip([a, *ours.parameters()], [b, *theirs.parameters()], strict=True):
        if q.grad is not None:
            assert p.grad.dtype == np.float32
            np.testing.assert_allclose(p.grad.data, q.grad.numpy(), rtol=2e-3, atol=1e-4)


def test_a_compiled_training_step_moves_a_network_with_dropout_as_the_dynamic_one_does() -> None:
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(8, 1, 6, 6)), rng.integers(0, 3, 8)

    def model() -> nn.Sequential:
        rng = np.random.default_rng(1)
        return nn.Sequential(
            nn.Conv2d(1, 4, 3, rng=rng), nn.SiLU(), nn.MaxPool2d(2), nn.Flatten(),
            nn.Dropout(0.3, np.random.default_rng(2)), nn.Linear(16, 3, rng=rng),
        )  # fmt: skip

    dynamic, static = model(), model()
    optimizer = SGD(dynamic.parameters(), lr=0.1)
    step = compile_step(static, cross_entropy, SGD(static.parameters(), lr=0.1), x, labels)
    for _ in range(3):
        optimizer.zero_grad()
        loss = cross_entropy(dynamic(x), labels)
        loss.backward()
        optimizer.step()
        assert float(step(x, labels)) == pytest.approx(loss.item(), rel=1e-9)
    for name, value in static.state_dict().items():
        np.testing.assert_allclose(value, dynamic.state_dict()[name], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_network_computes_in_the_dtype_of_its_parameters(dtype) -> None:
    layers = [
        nn.Conv1d(2, 3, 2, dtype=dtype),
        nn.BatchNorm1d(3, momentum=None, dtype=dtype),
        nn.GELU(),
        nn.Dropout(0.5),
        nn.LayerNorm(4, dtype=dtype),
        nn.GRU(4, 2, dtype=dtype),
    ]
    y, last = nn.Sequential(*layers)(Tensor(np.ones((2, 2, 5), dtype)))
    assert y.dtype == last.dtype == dtype
    assert layers[1].running_mean.dtype == dtype
    assert nn.Embedding(3, 2, dtype=dtype)(np.array([1, 2])).dtype == dtype


@pytest.mark.parametrize(
    "ours, theirs",
    [
        (lambda rng: nn.Conv2d(8, 64, 3, groups=2, rng=rng), T.Conv2d(8, 64, 3, groups=2)),
        (lambda rng: nn.Conv1d(6, 99, 5, rng=rng), T.Conv1d(6, 99, 5)),
        (lambda rng: nn.GRU(50, 30, rng=rng), T.GRU(50, 30)),
        (lambda rng: nn.Embedding(90, 30, rng=rng), T.Embedding(90, 30)),
        (lambda rng: nn.ConvTranspose2d(40, 8, 3, rng=rng), T.ConvTranspose2d(40, 8, 3)),
        (lambda rng: nn.MultiheadAttention(40, 2, rng=rng), T.MultiheadAttention(40, 2)),
    ],
    ids=["conv2d", "conv1d", "gru", "embedding", "conv_transpose2d", "attention"],
)
def test_initial_values_are_spread_as_pytorchs_and_come_from_the_generator(ours, theirs) -> None:
    layer, again = ours(np.random.default_rng(0)), ours(np.random.default_rng(0))
    state = layer.state_dict()
    for name, value in theirs.state_dict().items():
        np.testing.assert_array_equal(state[name], again.state_dict()[name])
        if value.numel() > 500:
            assert state[name].std() == pytest.approx(value.std().item(), rel=0.1)
            if state[name].max() < 1:  # uniform, so that the bounds are sharp
                assert abs(state[name]).max() == pytest.approx(value.abs().max().item(), rel=0.05)


def test_states_that_are_given_are_those_a_recurrent_layer_starts_from() -> None:
    x = np.random.default_rng(0).normal(size=(2, 6, 3))
    for layer in (nn.RNN(3, 4, num_layers=2), nn.GRU(3, 4, num_layers=2), nn.LSTM(3, 4)):
        whole, end = layer(x)
        first, state = layer(x[:, :2])
        second, last = layer(x[:, 2:], state)
        np.testing.assert_allclose(
            np.concatenate([first.data, second.data], axis=1), whole.data, rtol=1e-12
        )
        for a, b in zip(flat(last), flat(end), strict=True):
            np.testing.assert_allclose(a.data, b.data, rtol=1e-12)


@pytest.mark.parametrize("layer", ["RNN", "GRU", "LSTM"])
def test_states_of_stacked_layers_in_both_directions_are_pytorchs(layer) -> None:
    ours = getattr(nn, layer)(3, 4, num_layers=2, bidirectional=True)
    theirs = getattr(T, layer)(3, 4, 2, batch_first=True, bidirectional=True).double()
    load_into_torch(ours, theirs)
    rng = np.random.default_rng(0)
    x, h, c = rng.normal(size=(2, 5, 3)), *rng.normal(size=(2, 4, 2, 4))
    given = (x, (h, c)) if layer == "LSTM" else (x, h)
    y, z = flat(ours(*given)), flat(theirs(*torch.utils._pytree.tree_map(torch.tensor, given)))
    for a, b in zip(y, z, strict=True):
        assert_close(a.data, b.detach().numpy())


def test_dropout_between_recurrent_layers_is_that_of_the_sequence_and_not_of_the_result() -> None:
    layer = nn.GRU(3, 4, num_layers=2, dropout=0.5, generator=np.random.default_rng(0))
    x = np.random.default_rng(1).normal(size=(2, 6, 3))
    first, again = layer(x)[0].data, layer(x)[0].data
    assert not np.allclose(first, again)
    assert np.all(first != 0)
    below, above = nn.GRU(3, 4), nn.GRU(4, 4)
    for lower, k in ((below, 0), (above, 1)):
        lower.load_state_dict({
            name.replace(f"l{k}", "l0"): value
            for name, value in layer.state_dict().items() if name.endswith(f"l{k}")
        })  # fmt: skip
    generator = np.random.default_rng(0)
    middle = below(x)[0].data
    dropped = [nn.Dropout(0.5, generator)(Tensor(middle[:, t])).data for t in range(6)]
    np.testing.assert_allclose(above(np.stack(dropped, 1))[0].data, first, rtol=1e-12)
    np.testing.assert_allclose(layer.eval()(x)[0].data, above(middle)[0].data, rtol=1e-12)


def backward_elements(layer: str, length: int) -> int:
    """How many elements the static graph of a gradient towards a sequence computes."""
    model = getattr(nn, layer)(8, 4).requires_grad_(False)
    graph = trace(lambda x: model(x)[0].sum(), np.ones((2, length, 8)))
    return sum(np.prod(node.shape, dtype=int) for node in gradient(graph).nodes if node.op)


@pytest.mark.parametrize("layer", ["RNN", "GRU", "LSTM"])
def test_the_gradient_of_a_sequence_costs_in_proportion_to_its_length(layer) -> None:
    # Slices of the whole sequence would cost four times as much for twice the length.
    assert backward_elements(layer, 256) < 2.3 * backward_elements(layer, 128)


def test_the_dynamic_gradient_of_a_sequence_fills_few_zeros(monkeypatch) -> None:
    sizes = []
    kernel = ops.scatter_add.kernel

    def counted(*arguments, **options):
        y = kernel(*arguments, **options)
        sizes.append(y.size)
        return y

    monkeypatch.setattr(ops.scatter_add, "kernel", counted)
    model = nn.GRU(8, 4)
    x = Tensor(np.ones((2, 128, 8)), requires_grad=True)
    model(x)[0].sum().backward()
    of_gates = 128 * 3 * 2 * (2 * 12)  # three slices of each of two arrays (2, 12) at each step
    assert sum(sizes) - of_gates <= 2 * x.size * (np.log2(128) + 1)


def test_dropout_scales_what_it_keeps_draws_anew_and_does_nothing_in_use() -> None:
    layer = nn.Dropout(0.25, np.random.default_rng(0))
    x = Tensor(np.full(100_000, 3.0))
    y = layer(x).data
    assert set(np.unique(y)) == {0.0, 4.0}
    assert np.mean(y == 0) == pytest.approx(0.25, abs=0.01)
    assert not np.array_equal(layer(x).data, y)
    np.testing.assert_array_equal(nn.Dropout(0.25, np.random.default_rng(0))(x).data, y)
    assert layer.eval()(x) is x


WRONG = [
    (lambda: nn.Conv2d(3, 4, 2, groups=2), r"Conv2d: expected groups to divide .* 3 -> 4"),
    (lambda: nn.Conv2d(3, 0, 2), r"Conv2d: expected out_channels >= 1, got 0"),
    (lambda: nn.Embedding(0, 2), r"Embedding: expected num_embeddings >= 1"),
    (lambda: nn.GRU(3, 0), r"GRU: expected hidden_size >= 1"),
    (lambda: nn.RNN(3, 2, "sine"), r'RNN: expected nonlinearity="tanh" or "relu", got \'sine\''),
    (lambda: nn.Dropout(1.0), r"Dropout: expected 0 <= p < 1, got 1.0"),
    (lambda: nn.BatchNorm1d(3, momentum=2), r"BatchNorm1d: expected 0 <= momentum <= 1"),
    (lambda: nn.LayerNorm(()), r"LayerNorm: expected lengths >= 1, got \(\)"),
    (lambda: nn.BatchNorm1d(3)(np.ones((2, 4))), r"\(N, C\) or \(N, C, L\) with C = 3 .* \(2, 4\)"),
    (lambda: nn.BatchNorm2d(3)(np.ones((2, 3))), r"expected shape \(N, C, H, W\)"),
    (lambda: nn.BatchNorm1d(3)(np.ones((1, 3))), r"more than one value for each channel"),
    (lambda: nn.GRU(3, 2)(np.ones((4, 3))), r"GRU: .* sequences \(N, T, 3\) .* got shape \(4, 3\)"),
    (lambda: nn.GRU(3, 2)(np.ones((4, 0, 3))), r"with T >= 1, got shape \(4, 0, 3\)"),
    (lambda: nn.GRU(3, 2)(np.ones((4, 5, 3)), np.ones((1, 3, 2))),
     r"initial states of shape \(1, 4, 2\), 1 of them; got \(1, 3, 2\)"),
    (lambda: nn.LSTM(3, 2, bidirectional=True)(np.ones((4, 5, 3)), (np.ones((2, 4, 2)),)),
     r"initial states of shape \(2, 4, 2\), 2 of them; got \(2, 4, 2\)"),
    (lambda: nn.GRU(3, 2, batch_first=False)(np.ones((0, 4, 3))), r"\(T, N, 3\) with T >= 1"),
    (lambda: nn.GRU(3, 2, dropout=1.0), r"GRU: expected 0 <= dropout < 1, got 1.0"),
    (lambda: nn.ConvTranspose2d(3, 4, 2, groups=2), r"ConvTranspose2d: expected groups to divide"),
    (lambda: nn.ConvTranspose1d(3, 4, 2)(np.ones((2, 3))), r"expected x \(batch, channels, length"),
    (lambda: nn.AdaptiveAvgPool2d(0), r"AdaptiveAvgPool2d: expected an output_size >= 1 .* got 0"),
    (lambda: nn.AdaptiveMaxPool1d((2, 3)), r"for each of 1 axes \(or None\), got \(2, 3\)"),
    (lambda: nn.AdaptiveAvgPool2d(1)(np.ones((2, 3))), r"\(N, C, H, W\).*got shape \(2, 3"),
    (lambda: nn.AdaptiveMaxPool1d(1)(np.ones((2, 3, 0))), r"got shape \(2, 3, 0\)"),
    (lambda: nn.GroupNorm(4, 6), r"GroupNorm: expected num_groups to divide .* got 4 for 6"),
    (lambda: nn.GroupNorm(3, 6)(np.ones((2, 5))), r"expected shape \(N, 6, ...\), got \(2, 5\)"),
    (lambda: nn.InstanceNorm1d(3)(np.ones((2, 3, 1))), r"\(N, C, L\) with more than one element"),
    (lambda: nn.InstanceNorm2d(3)(np.ones((2, 3, 4))), r"expected shape \(N, C, H, W\)"),
    (lambda: nn.PReLU(3)(np.ones((3, 2))), r"PReLU: expected x \(N, 3, ...\), got shape \(3, 2\)"),
    (lambda: nn.Softplus(0), r"Softplus: expected beta > 0, got 0"),
    (lambda: nn.Flatten(2)(np.ones((2, 3))), "flatten: expected -2 <= axis < 2, got axis=2"),
]  # fmt: skip


@pytest.mark.parametrize("make, message", WRONG, ids=[message[:40] for _, message in WRONG])
def test_what_does_not_fit_is_an_error_that_names_it(make, message) -> None:
    with pytest.raises(ValueError, match=message):
        make()
