"""Methods, names of axes, and NumPy's functions on Tensors, Symbols and arrays."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import dlcourse as dl
from dlcourse import Tensor, grad, no_grad, ops, vmap
from dlcourse.autodiff.array_methods import NUMPY_FUNCTIONS, UFUNCS
from dlcourse.graphs import compile, trace

rng = np.random.default_rng(0)
X = rng.normal(size=(2, 3, 4))
X[0, 0, 1] = X[0, 0, 2] = 3.0  # the largest of their line tie
Y = np.abs(rng.normal(size=(2, 3, 4))) + 0.5
M = X > 0
INDEX = np.array([[[0, 1, 2, 0]]])

# The same call of a method in both libraries.
METHODS: dict[str, Callable[[Any, Any], Any]] = {
    "%": lambda x, y: x % y,
    "% with a number": lambda x, y: (x % 0.7) + (3.0 % y),
    "//": lambda x, y: x // y,
    "// with a number": lambda x, y: (x // 0.7) + (3.0 // y),
    "clone": lambda x, y: x.clone() * y,
    "view": lambda x, y: x.view(6, 4) * y.view(-1, 4),
    "view of one axis": lambda x, y: x.view(-1),
    "view_as": lambda x, y: x.view(4, 6).view_as(y),
    "reshape_as": lambda x, y: x.reshape(24).reshape_as(y),
    "unsqueeze": lambda x, y: x.unsqueeze(1) * y.unsqueeze(dim=2),
    "unsqueeze at the end": lambda x, y: x.unsqueeze(-1),
    "squeeze": lambda x, y: x.view(1, 24, 1).squeeze(),
    "squeeze an axis": lambda x, y: x.view(1, 24, 1).squeeze(0).squeeze(dim=-1),
    "squeeze some": lambda x, y: x.view(1, 24, 1).squeeze((0, 2)),
    "flatten": lambda x, y: x.flatten(),
    "flatten the end": lambda x, y: x.flatten(1),
    "flatten some": lambda x, y: x.flatten(start_dim=0, end_dim=-2),
    "flatten a number": lambda x, y: x.sum().flatten(),
    "max(dim)": lambda x, y: x.max(dim=2),
    "max(dim).values": lambda x, y: x.max(dim=1, keepdim=True).values * y,
    "min(dim)": lambda x, y: list(x.min(dim=0)),
    "max": lambda x, y: x.max() + y.min(),
    "amax": lambda x, y: x.amax(dim=(0, 2)) + y.amin(dim=1, keepdim=True).sum(),
    "sort(dim)": lambda x, y: x.sort(dim=1),
    "topk": lambda x, y: x.topk(2, dim=1),
    "topk of the smallest": lambda x, y: x.topk(2, dim=1, largest=False),
    "sum(dim)": lambda x, y: x.sum(dim=1) + y.sum(dim=(1,)),
    "sum(dim, keepdim)": lambda x, y: x.sum(dim=(0, 2), keepdim=True),
    "mean(dim)": lambda x, y: x.mean(dim=-1, keepdim=True) * y,
    "prod(dim)": lambda x, y: x.prod(dim=1),
    "argmax(dim)": lambda x, y: x.argmin(dim=1, keepdim=True),
    "cumsum(dim)": lambda x, y: x.cumsum(dim=2),
    "softmax(dim)": lambda x, y: x.softmax(dim=1) * x.log_softmax(dim=0),
    "logsumexp(dim)": lambda x, y: x.logsumexp(dim=1),
    "any": lambda x, y: [(x > 1).any(), (x > 1).any(dim=1), (x > 9).any()],
    "all": lambda x, y: [(y > 0).all(), (x > 0).all(dim=2, keepdim=True)],
    "clamp": lambda x, y: x.clamp(-0.5, 0.5) + y.clamp(min=1.0) + x.clamp(max=0.0),
    "pow": lambda x, y: x.pow(3) + y.pow(x),
    "arithmetic by name": lambda x, y: x.add(y).sub(1.0).mul(y).div(2.0).neg(),
    "comparisons by name": lambda x, y: [x.eq(x), x.ne(y), x.lt(y), x.le(y), x.gt(0), x.ge(0)],
    "where": lambda x, y: x.where(x > 0, y),
    "masked_fill": lambda x, y: x.masked_fill(x > 0, 7.0),
    "permute": lambda x, y: x.permute(2, 0, 1) + y.permute((2, 0, 1)),
    "mT": lambda x, y: x.mT @ y,
    "t": lambda x, y: x[0].t() @ y[0],
    "t of a vector": lambda x, y: x[0, 0].t(),
    "mm": lambda x, y: x[0].mm(y[0].t()),
    "matmul": lambda x, y: x.matmul(y.mT),
    "dot": lambda x, y: x[0, 0].dot(y[0, 0]),
    "expand": lambda x, y: x[:, :1].expand(-1, 3, 4) + x[0, 0].expand(2, 3, -1),
    "expand_as": lambda x, y: x[0].expand_as(y),
    "chunk": lambda x, y: x.chunk(2, dim=2),
    "chunk in unequal parts": lambda x, y: x.chunk(3, dim=-1),
    "more chunks than elements": lambda x, y: x.chunk(5),
    "unbind": lambda x, y: x.unbind(),
    "unbind(dim)": lambda x, y: x.unbind(dim=-1),
    "float": lambda x, y: x.float(),
    "to a dtype and back": lambda x, y: x.float().double(),
    "long": lambda x, y: x.long(),
    "sizes": lambda x, y: [x.dim(), x.numel(), x.ndim, list(x.shape)],
    "tolist": lambda x, y: (x > 0).tolist(),
    "contiguous": lambda x, y: x.mT.contiguous(),
}  # fmt: skip
FUNCTIONS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "cat(dim)": lambda lib, x, y: lib.cat([x, y], dim=1),
    "stack(dim)": lambda lib, x, y: lib.stack([x, y], dim=-1),
    "sum(dim)": lambda lib, x, y: lib.sum(x, dim=1, keepdim=True),
    "max(dim)": lambda lib, x, y: lib.max(x, dim=1),
    "sort(dim)": lambda lib, x, y: lib.sort(x, dim=0),
    "topk(dim)": lambda lib, x, y: lib.topk(x, 2, dim=1),
    "clamp": lambda lib, x, y: lib.clamp(x, min=-1.0, max=0.5),
    "flatten": lambda lib, x, y: lib.flatten(x, 1),
    "unsqueeze, squeeze": lambda lib, x, y: lib.squeeze(lib.unsqueeze(x, dim=0), dim=0),
    "permute": lambda lib, x, y: lib.permute(x, (2, 1, 0)),
    "pow, remainder": lambda lib, x, y: lib.remainder(lib.pow(x, 2), y),
    "zeros_like, ones_like": lambda lib, x, y: [lib.zeros_like(x), lib.ones_like(y)],
    "full_like": lambda lib, x, y: lib.full_like(x, 2.5),
    "zeros, ones": lambda lib, x, y: [
        lib.zeros(2, 3, dtype=lib.float32), lib.ones((2,), dtype=lib.float64)],
    "full, eye": lambda lib, x, y: [
        lib.full((2,), 1.5, dtype=lib.float64), lib.eye(2, 3, dtype=lib.float64)],
    "arange": lambda lib, x, y: [lib.arange(3), lib.arange(1, 7, 2)],
    "linspace": lambda lib, x, y: lib.linspace(0, 1, 5, dtype=lib.float64),
    "from_numpy": lambda lib, x, y: lib.from_numpy(np.array([1.0, 2.0])),
    "tensor": lambda lib, x, y: lib.tensor([1.0, 2.0], dtype=lib.float64, requires_grad=True) * 2,
}  # fmt: skip


def flat(result: Any) -> list[Any]:
    if isinstance(result, list | tuple):
        return [x for part in result for x in flat(part)]
    return [result]


def as_array(x: Any) -> np.ndarray:
    if isinstance(x, torch.Tensor):
        return x.numpy(force=True)
    return np.asarray(x.data if isinstance(x, Tensor) else x)


def assert_same(ours: Any, theirs: Any) -> None:
    for a, b in zip(flat(ours), flat(theirs), strict=True):
        mine, other = as_array(a), as_array(b)
        assert (mine.shape, mine.dtype) == (other.shape, other.dtype)
        np.testing.assert_allclose(mine, other, rtol=1e-12, atol=1e-14)


def total(result: Any) -> Any:
    """A scalar of all floating point results, to differentiate."""
    parts = [x for x in flat(result) if getattr(x, "requires_grad", False)]
    return sum((x * x).sum() for x in parts) if parts else None


# Its derivative by the divisor, and that of //, is not implemented in PyTorch.
NOT_DIFFERENTIATED_THERE = {".% with a number", ".//", ".// with a number"}
ALL = {
    **{f".{name}": f for name, f in METHODS.items()},
    **{name: (lambda x, y, f=f: f(dl if isinstance(x, Tensor) else torch, x, y))
       for name, f in FUNCTIONS.items()},
}  # fmt: skip


@pytest.mark.parametrize("name", ALL)
def test_values_and_gradients_are_pytorchs(name: str) -> None:
    x, y = Tensor(X, requires_grad=True), Tensor(Y, requires_grad=True)
    x_there, y_there = (torch.tensor(a, requires_grad=True) for a in (X, Y))
    ours, theirs = ALL[name](x, y), ALL[name](x_there, y_there)
    assert_same(ours, theirs)
    loss, loss_there = total(ours), total(theirs)
    assert (loss is None) == (loss_there is None)
    if loss is not None and name not in NOT_DIFFERENTIATED_THERE:
        loss.backward()
        loss_there.backward()
        for a, b in ((x, x_there), (y, y_there)):
            assert (a.grad is None) == (b.grad is None)
            if a.grad is not None:
                assert_same(a.grad, b.grad)


@pytest.mark.parametrize("name", [n for n in METHODS if n not in ("sizes", "tolist")])
def test_a_graph_and_its_compiled_function_do_the_same(name: str) -> None:
    expected = [as_array(x) for x in flat(METHODS[name](Tensor(X), Tensor(Y)))]
    graph = trace(METHODS[name], X, Y)
    for found in (graph.run(X, Y), compile(graph)(X, Y)):
        assert_same(found, expected)


@pytest.mark.parametrize("name", ["%", "//", "max(dim)", "topk", "any", "all", "unbind", "expand"])
def test_vmap_does_it_to_each_example(name: str) -> None:
    f = lambda x, y: flat(METHODS[name](x, y))  # noqa: E731
    xs, ys = np.stack([X, X + 0.3]), np.stack([Y, Y + 0.3])
    one_by_one = [f(Tensor(x), Tensor(y)) for x, y in zip(xs, ys, strict=True)]
    expected = [np.stack([as_array(a) for a in parts]) for parts in zip(*one_by_one, strict=True)]
    assert_same(vmap(f)(Tensor(xs), Tensor(ys)), expected)


# --- Names of axes --------------------------------------------------------------------------------

BOTH: dict[str, Callable[..., Any]] = {
    "method": lambda x, **named: x.sum(**named),
    "function": lambda x, **named: dl.sum(x, **named),
    "of one with a pair": lambda x, **named: x.max(**named),
    "written with others": lambda x, **named: dl.stack([x, x], **named),
}


@pytest.mark.parametrize("call", BOTH.values(), ids=BOTH)
def test_both_names_of_an_axis_are_refused(call: Callable[..., Any]) -> None:
    with pytest.raises(TypeError, match=r"expected axis= or dim=, got both"):
        call(Tensor(X), axis=1, dim=1)


def test_both_names_for_kept_axes_are_refused() -> None:
    with pytest.raises(TypeError, match=r"sum: expected keepdims= or keepdim=, got both"):
        Tensor(X).sum(axis=1, keepdims=True, keepdim=True)


def test_an_operation_without_an_axis_has_no_dim() -> None:
    with pytest.raises(TypeError, match=r"expected exp\(a\).*'dim'"):
        dl.exp(Tensor(X), dim=1)


@pytest.mark.parametrize("name", [n for n, op in ops.PRIMITIVES.items() if "axis" in op.parameters])
def test_every_operation_with_an_axis_takes_dim(name: str) -> None:
    op = ops.PRIMITIVES[name]
    more = {"topk": {"k": 2}, "roll": {"shift": 1}, "repeat": {"repeats": 2}}.get(name, {})
    if name == "scatter_add_along_axis":
        more = {"shape": X.shape}
    arguments = [X, np.zeros(X.shape, int)][: len(op.arguments)] if op.each is None else [[X, X]]
    if name == "standardize":
        more = {"eps": 1e-5}
    by_dim = op(*arguments, **more, dim=1)
    if op.pair is not None:
        by_dim = by_dim.values
    np.testing.assert_array_equal(by_dim, op(*arguments, **more, axis=1))


def test_by_axis_the_elements_come_without_indices_as_in_numpy() -> None:
    x = Tensor(X)
    for name in ("max", "min", "sort"):
        np.testing.assert_array_equal(getattr(x, name)(axis=1).data, getattr(np, name)(X, axis=1))
    np.testing.assert_array_equal(x.max(1).data, X.max(1))
    assert x.topk(2, axis=1).shape == (2, 2, 4)


def test_a_tie_gives_its_gradient_to_the_index_that_is_returned() -> None:
    assert grad(lambda x: x.max(dim=0).values)(np.array([1.0, 2.0, 2.0])).tolist() == [0, 1, 0]
    assert grad(lambda x: x.max(axis=0))(np.array([1.0, 2.0, 2.0])).tolist() == [0, 0.5, 0.5]


def test_a_method_has_the_signature_and_meaning_of_its_operation() -> None:
    assert str(inspect.signature(Tensor.sum)) == "(self, axis, keepdims)"
    assert Tensor.sum.__doc__ == "the sum over axis."
    assert list(inspect.signature(Tensor.topk).parameters)[:2] == ["self", "k"]


WRONG: dict[str, tuple[Callable[[Any], Any], type[Exception], str]] = {
    "squeeze": (lambda x: x.squeeze(0), ValueError, "squeeze: expected an axis of length 1"),
    "unsqueeze": (lambda x: x.unsqueeze(5), IndexError, "expand_dims: expected -4 <= axis < 4"),
    "flatten": (lambda x: x.flatten(2, 1), ValueError, "flatten: expected the first axis first"),
    "flatten far": (lambda x: x.flatten(4), ValueError, "flatten: .*got axis=4"),
    "chunk": (lambda x: x.chunk(0), ValueError, "chunk: expected at least one part"),
    "chunk far": (lambda x: x.chunk(2, 7), ValueError, "chunk: .*got axis=7"),
    "unbind": (lambda x: x.unbind(-4), ValueError, "unbind: expected -3 <= axis < 3"),
    "topk": (lambda x: x.topk(2, dim=3), ValueError, "topk: expected -3 <= axis < 3"),
    "t": (lambda x: x.t(), ValueError, "t: expected at most two axes"),
    "mT": (lambda x: x[0, 0].mT, ValueError, "mT: expected at least two axes"),
    "max(dim)": (lambda x: x.max(dim=5), ValueError, "expected -3 <= axis < 3, got axis=5"),
    "from_numpy": (lambda x: dl.from_numpy([1.0]), TypeError, "expected a NumPy array, got list"),
    "randn": (lambda x: dl.randn(2), TypeError, "generator"),
    "add_ on a recorded one": (
        lambda x: x.requires_grad_().add_(1.0), RuntimeError, "add_: .* cannot be changed"),
    "mul_ by another shape": (lambda x: x.mul_(np.ones(5)), ValueError, "mul_: a tensor keeps"),
    "requires_grad_": (lambda x: x.long().requires_grad_(), TypeError, "floating point"),
    "format": (lambda x: f"{x:.3f}", TypeError, "unsupported format string"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_call_says_what_was_expected(name: str) -> None:
    call, kind, text = WRONG[name]
    with pytest.raises(kind, match=text):
        call(Tensor(X))


# --- Formats, changes in place --------------------------------------------------------------------


@pytest.mark.parametrize("spec", ["", ".3f", "8.2e", "+.1%", ">12"])
@pytest.mark.parametrize("value", [0.5, 1.25, -3.0])
def test_a_scalar_is_formatted_as_its_number(value: float, spec: str) -> None:
    for requires_grad in (False, True):
        ours = Tensor(value, requires_grad=requires_grad) * 1.0
        assert format(ours, spec) == format(torch.tensor(value) * 1.0, spec)
    assert format(Tensor([1.0]), "") == "Tensor([1.])"


def changed(x: Any, how: str) -> None:
    """Change ``x`` in place as the text ``how`` says."""
    exec(how, {"x": x})


CHANGES = {
    "x += 1.0": r"\+=", "x -= 1.0": "-=", "x *= 2.0": r"\*=", "x /= 2.0": "/=",
    "x.add_(1.0)": "add_", "x.sub_(1.0)": "add_", "x.mul_(2.0)": "mul_", "x.div_(2.0)": "div_",
    "x.zero_()": "copy_", "x.fill_(2.0)": "copy_", "x.copy_(2.0)": "copy_",
    "x[0] = 2.0": "assignment to a part",
}  # fmt: skip


@pytest.mark.parametrize("how", CHANGES)
def test_a_change_in_place_that_is_refused_or_noticed_says_its_name(how: str) -> None:
    variable = Tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(RuntimeError, match=f"^{CHANGES[how]}: .*cannot be changed in place"):
        changed(variable, how)
    factor = Tensor([1.0, 2.0])
    y = (variable * factor).sum()
    changed(factor, how)
    with pytest.raises(RuntimeError, match=f"was changed later by {CHANGES[how]} at "):
        y.backward()


def test_changes_in_place_are_pytorchs() -> None:
    def run(lib: Any) -> Any:
        x = lib.tensor([1.0, 2.0, 3.0], dtype=lib.float64, requires_grad=True)
        y = lib.tensor([2.0, 4.0, 8.0], dtype=lib.float64)
        with lib.no_grad():
            x.add_(y).sub_(1.0).mul_(y).div_(2.0).add_(y, alpha=-0.5).sub_(y, alpha=2.0)
        y.fill_(3.0)
        return [x, y, x.requires_grad, x.is_leaf]

    ours, theirs = run(dl), run(torch)
    assert_same(ours[:2], theirs[:2])
    assert ours[2:] == theirs[2:] == [True, True]


def test_a_change_by_name_is_noticed_by_a_rule_that_needs_the_value() -> None:
    x, y = Tensor([1.0, 2.0], requires_grad=True), Tensor([3.0, 4.0])
    z = (x * y).sum()
    with no_grad():
        y.mul_(2.0)
    with pytest.raises(RuntimeError, match="changed later by mul_"):
        z.backward()


# --- NumPy's functions ----------------------------------------------------------------------------

NUMPY: dict[str, Callable[[Any], Any]] = {
    "mean": lambda x: np.mean(x),
    "mean(axis)": lambda x: np.mean(x, axis=1, keepdims=True),
    "sum": lambda x: np.sum(x, axis=(0, 2)),
    "max": lambda x: np.max(x, axis=1),
    "var": lambda x: np.var(x, ddof=1),
    "std": lambda x: np.std(x, 0),
    "prod": lambda x: np.prod(x, axis=-1),
    "argmax": lambda x: np.argmax(x, axis=1),
    "cumsum": lambda x: np.cumsum(x, axis=1),
    "sort": lambda x: np.sort(x, axis=0),
    "any": lambda x: np.any(x > 1, axis=0),
    "clip": lambda x: np.clip(x, -0.5, 0.5),
    "where": lambda x: np.where(x > 0, x, 0.0),
    "concatenate": lambda x: np.concatenate([x, x * 2], axis=1),
    "stack": lambda x: np.stack([x, x], axis=1),
    "split": lambda x: np.split(x, 2, axis=2),
    "reshape": lambda x: np.reshape(x, (6, 4)),
    "transpose": lambda x: np.transpose(x, (2, 0, 1)),
    "squeeze": lambda x: np.squeeze(np.expand_dims(x, 0)),
    "moveaxis": lambda x: np.moveaxis(x, 0, 2),
    "einsum": lambda x: np.einsum("ijk,ilk->ijl", x, x),
    "take_along_axis": lambda x: np.take_along_axis(x, INDEX, axis=1),
    "tril": lambda x: np.tril(x, 1),
    "flip": lambda x: np.flip(x, axis=2),
    "roll": lambda x: np.roll(x, 1, axis=0),
    "tile": lambda x: np.tile(x, (1, 2, 1)),
    "broadcast_to": lambda x: np.broadcast_to(x, (2, 2, 3, 4)),
    "exp": lambda x: np.exp(x),
    "abs": lambda x: np.abs(x) + np.absolute(x),
    "tanh": lambda x: np.tanh(x),
    "maximum": lambda x: np.maximum(x, 0.3),
    "true_divide": lambda x: np.true_divide(1.0, x),
    "array and value": lambda x: Y * x + Y @ np.moveaxis(x, 1, 2).sum() - Y / x,
    "NumPy's number and value": lambda x: np.float64(2.0) * x + np.int64(1),
    "remainder": lambda x: (Y % x) + np.floor_divide(Y, 0.3),
    "comparison": lambda x: x < Y,
    "rint": lambda x: np.rint(x),
    "shape, ndim, size": lambda x: [np.array([*np.shape(x), np.ndim(x), np.size(x)])],
}  # fmt: skip
ELSEWHERE: dict[str, Callable[[Any], Any]] = {
    "median": lambda x: np.median(x),
    "allclose": lambda x: np.allclose(x, x),
    "a ufunc that is no operation": lambda x: np.sinc(x) + np.cbrt(x),
    "a method of a ufunc": lambda x: np.add.reduce(x),
    "svd": lambda x: np.linalg.svd(x, compute_uv=False),
    "asarray": lambda x: np.asarray(x),
}


@pytest.mark.parametrize("name", [n for n in NUMPY if n != "array and value"])
def test_numpys_functions_are_the_operations_of_their_name(name: str) -> None:
    x = Tensor(X, requires_grad=True)
    ours, expected = NUMPY[name](x), NUMPY[name](X)
    for a, b in zip(flat(ours), flat(expected), strict=True):
        assert isinstance(a, Tensor) or name == "shape, ndim, size"
        np.testing.assert_allclose(as_array(a), b, rtol=1e-12)
        if name != "shape, ndim, size":
            assert a.requires_grad == (a.dtype.kind == "f")
    graph = trace(lambda x: NUMPY[name](x), X)
    for a, b in zip(flat(graph.run(X)), flat(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_an_array_beside_a_tensor_gives_a_tensor_whichever_comes_first() -> None:
    x = Tensor(X, requires_grad=True)
    for y in (Y + x, Y - x, Y * x, Y / x, Y**x, Y @ x.mT, np.float64(2.0) * x, Y % x, Y // x):
        assert type(y) is Tensor and y.requires_grad
    for y in (x == Y, x > Y, x != Y):
        assert type(y) is Tensor


@pytest.mark.parametrize("name", ELSEWHERE)
def test_what_has_no_operation_is_numpys_unless_a_gradient_would_be_lost(name: str) -> None:
    np.testing.assert_array_equal(ELSEWHERE[name](Tensor(X)), ELSEWHERE[name](X))
    with pytest.raises(RuntimeError, match=r"would leave the graph.*detach\(\)"):
        ELSEWHERE[name](Tensor(X, requires_grad=True))
    with pytest.raises(TypeError, match="a NumPy function needs a number"):
        trace(ELSEWHERE[name], X)


@pytest.mark.parametrize("option", [{"dtype": np.float32}, {"out": np.zeros(())}, {"where": M}])
def test_an_option_that_an_operation_lacks_is_refused(option: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=r"mean: expected mean\(a, axis, keepdims\)"):
        np.mean(Tensor(X), **option)


def test_each_name_that_numpy_and_we_share_is_a_function_of_both() -> None:
    for name in NUMPY_FUNCTIONS:
        assert callable(getattr(np, name)) and callable(getattr(ops, name))
    assert UFUNCS[np.absolute] is ops.abs and UFUNCS[np.true_divide] is ops.divide


BOOLEANS = np.array([[True, False], [True, True]])


def test_conditions_are_joined_as_in_numpy() -> None:
    a, b = Tensor(BOOLEANS), Tensor(BOOLEANS.T)
    np.testing.assert_array_equal((~a).data, ~BOOLEANS)
    np.testing.assert_array_equal((a & b).data, BOOLEANS & BOOLEANS.T)
    np.testing.assert_array_equal((a | ~b).data, BOOLEANS | ~BOOLEANS.T)


@pytest.mark.parametrize(
    ("operator", "call"), [("~", lambda x: ~x), ("&", lambda x: x & x), (r"\|", lambda x: x | x)]
)
def test_numbers_are_no_conditions(operator: str, call: Any) -> None:
    with pytest.raises(TypeError, match=f"{operator}: expected booleans, got dtype float64"):
        call(Tensor([1.0, 0.0]))


def test_a_value_without_an_axis_has_no_length() -> None:
    assert len(Tensor([[1.0, 2.0]])) == 1
    with pytest.raises(TypeError, match=r"a value of shape \(\) has no length"):
        len(Tensor(1.0))


def test_a_dtype_is_changed_by_to() -> None:
    x = Tensor([1.5, 2.5])
    assert x.to(np.float32).dtype == np.float32
    np.testing.assert_array_equal(x.to(np.int64).data, [1, 2])


def test_an_argument_that_is_given_twice_is_refused() -> None:
    with pytest.raises(TypeError, match="axis"):
        Tensor([[1.0]]).sum(0, axis=0)


def test_numpy_makes_an_array_of_the_type_that_is_asked_for() -> None:
    t = Tensor([1.5, 2.5])
    assert t.__array__(np.dtype(np.float32)).dtype == np.float32  # NumPy would convert once more
    assert np.array(t, dtype=int).tolist() == [1, 2]
    copied = np.array(t, copy=True)
    copied[0] = 9.0
    assert t.data.tolist() == [1.5, 2.5]
