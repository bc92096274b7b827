"""Derivatives of functions of lists, tuples and dicts, against torch.func."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

import dlcourse as dl
from dlcourse import Tensor, grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp, vmap
from dlcourse.graphs import trace
from dlcourse.ops import trees


class Line(NamedTuple):
    w: Any
    b: Any


rng = np.random.default_rng(0)
X, T = rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
W, B = rng.normal(size=(3, 2)), rng.normal(size=2)
DW, DB = rng.normal(size=(3, 2)), rng.normal(size=2)


def dot(a: Any, b: Any) -> Any:
    return (a * b).sum()


# A parameter tree, a tangent of it, and how to read w and b from it.
TREES: dict[str, tuple[Any, Any, Callable[[Any], tuple[Any, Any]]]] = {
    "dict": ({"w": W, "b": B}, {"w": DW, "b": DB}, lambda p: (p["w"], p["b"])),
    "list": ([W, B], [DW, DB], lambda p: (p[0], p[1])),
    "tuple": ((W, B), (DW, DB), lambda p: (p[0], p[1])),
    "named tuple": (Line(W, B), Line(DW, DB), lambda p: (p.w, p.b)),
    "nested, with an empty part": (
        {"layers": [{"w": W}, ()], "rest": (B,)},
        {"layers": [{"w": DW}, ()], "rest": (DB,)},
        lambda p: (p["layers"][0]["w"], p["rest"][0]),
    ),
}


def in_torch(tree: Any) -> Any:
    found, structure = trees.flatten(tree)
    return trees.unflatten(structure, [torch.tensor(x) for _, x in found])


def assert_same(ours: Any, theirs: Any) -> None:
    mine, structure = trees.flatten(ours)
    others, other_structure = trees.flatten(theirs)
    assert trees.text(structure) == trees.text(other_structure)
    for (_, a), (_, b) in zip(mine, others, strict=True):
        assert a.shape == tuple(b.shape)
        assert a.dtype.name == str(b.dtype).removeprefix("torch.")
        np.testing.assert_allclose(a.data, b.detach().numpy(), rtol=1e-9, atol=1e-12)


def loss_with(read: Callable[[Any], tuple[Any, Any]]) -> Callable[..., Any]:
    def loss(p: Any, x: Any, t: Any) -> Any:
        w, b = read(p)
        return ((((x @ w) + b).tanh() - t) ** 2).mean()

    return loss


def outputs_with(read: Callable[[Any], tuple[Any, Any]]) -> Callable[..., Any]:
    def outputs(p: Any) -> Any:
        w, b = read(p)
        return {"rest": [(w * w).sum(), b], "scores": (w * b).sin()}

    return outputs


@pytest.mark.parametrize("name", TREES)
def test_gradients_have_the_structure_of_the_argument(name: str) -> None:
    p, _, read = TREES[name]
    data, there = (X, T), in_torch((X, T))
    loss = loss_with(read)
    assert_same(grad(loss)(p, *data), torch.func.grad(loss)(in_torch(p), *there))
    value, gradients = value_and_grad(loss, (0, 1))(p, *data)
    expected, value_there = torch.func.grad_and_value(loss, (0, 1))(in_torch(p), *there)
    assert_same((value, gradients), (value_there, expected))
    assert_same(grad(loss, -3)(p, *data), torch.func.grad(loss)(in_torch(p), *there))


@pytest.mark.parametrize("name", TREES)
def test_products_with_jacobians_have_trees_on_both_sides(name: str) -> None:
    p, dp, read = TREES[name]
    outputs = outputs_with(read)
    y, pullback = vjp(outputs, p)
    y_there, pullback_there = torch.func.vjp(outputs, in_torch(p))
    assert_same(y, y_there)
    g = {"scores": DW, "rest": [np.array(2.0), DB]}
    assert_same(pullback(g), pullback_there(in_torch(g)))
    ours = jvp(outputs, (p,), (dp,))
    assert_same(ours, torch.func.jvp(outputs, (in_torch(p),), (in_torch(dp),)))


@pytest.mark.parametrize("name", TREES)
def test_jacobians_and_hessians_are_trees_of_trees(name: str) -> None:
    p, dp, read = TREES[name]
    outputs, loss = outputs_with(read), lambda p: loss_with(read)(p, X, T)
    loss_there = lambda p: loss_with(read)(p, *in_torch((X, T)))  # noqa: E731
    assert_same(jacobian(outputs)(p), torch.func.jacrev(outputs)(in_torch(p)))
    assert_same(hessian(loss)(p), torch.func.hessian(loss_there)(in_torch(p)))
    ours = hvp(loss, (p,), (dp,))
    theirs = torch.func.jvp(torch.func.grad(loss_there), (in_torch(p),), (in_torch(dp),))[1]
    assert_same(ours, (theirs,))


@pytest.mark.parametrize("argnums", [(0, 1), (1,), [1, 0]])
def test_a_jacobian_by_several_arguments_is_a_tuple(argnums: Any) -> None:
    def f(x: Any, w: Any) -> Any:
        return (x @ w).sin()

    ours = jacobian(f, argnums)(X, W)
    assert_same(ours, torch.func.jacrev(f, tuple(argnums))(*in_torch((X, W))))
    scalar = lambda x, w: f(x, w).sum()  # noqa: E731
    expected = torch.func.hessian(scalar, tuple(argnums))(*in_torch((X, W)))
    assert_same(hessian(scalar, argnums)(X, W), expected)


def test_parts_of_different_dtypes_keep_theirs() -> None:
    def f(p: Any) -> Any:
        return [p["single"] * 2.0, p["double"] * p["double"]]

    p = {"single": B.astype("f4"), "double": W}
    g = [DB.astype("f4"), DW]
    assert_same(vjp(f, p)[1](g), torch.func.vjp(f, in_torch(p))[1](in_torch(g)))
    assert_same(jvp(f, (p,), (p,)), torch.func.jvp(f, (in_torch(p),), (in_torch(p),)))


def test_keyword_arguments_are_handed_on() -> None:
    assert grad(lambda x, power: x**power)(3.0, power=2.0).item() == 6.0
    assert value_and_grad(lambda x, power: x**power)(3.0, power=2.0)[0].item() == 9.0
    assert jacobian(lambda x, scale: x * scale)(B, scale=2.0).data.tolist() == [[2, 0], [0, 2]]


def test_a_tree_is_differentiated_again_and_inside_a_traced_graph() -> None:
    loss = loss_with(TREES["dict"][2])

    def slope(p: Any) -> Any:
        return sum((g * g).sum() for g in trees.leaves(grad(loss)(p, X, T)))

    p = TREES["dict"][0]
    expected = grad(slope)(p)
    graph = trace(lambda w, b: grad(slope)({"w": w, "b": b}), W, B)
    for ours, (_, theirs) in zip(graph.run(W, B), trees.flatten(expected)[0], strict=True):
        np.testing.assert_allclose(ours, theirs.data, rtol=1e-9)
    w = Tensor(W, requires_grad=True)
    slope({"w": w, "b": B}).backward()
    np.testing.assert_allclose(w.grad.data, expected["w"].data, rtol=1e-9)


# --- vmap -----------------------------------------------------------------------------------------

BATCH = {"x": X, "pair": (T, X[:, :2])}


def example(v: Any, w: Any) -> Any:
    return {"s": v["x"] @ w, "t": [dot(*v["pair"])]}


AXES: dict[str, tuple[Callable[..., Any], tuple[Any, ...], Any, Any]] = {
    "a dict": (example, (BATCH, W), (0, None), 0),
    "a list of axes": (example, (BATCH, W), [0, None], 0),
    "axes for parts": (
        example,
        ({"x": X.T, "pair": (T, B)}, W),
        ({"pair": (0, None), "x": 1}, None),
        0,
    ),
    "one axis for a part of parts": (
        example,
        ({"x": X.T, "pair": (T, X[:, :2])}, W),
        ({"pair": 0, "x": -1}, None),
        0,
    ),
    "other axes of the results": (example, (BATCH, W), (0, None), {"s": 1, "t": [0]}),
    "a negative axis of the results": (lambda x: x.sin(), (X,), 0, -1),
    "all in a batch of lists": (lambda p, q: p[0] * q[0], ([X], [X]), 0, 0),
    "a result that is the same for all": (
        lambda x, w: (x @ w, w * 2.0),
        (X, W),
        (0, None),
        (0, None),
    ),
}


@pytest.mark.parametrize("name", AXES)
def test_vmap_takes_and_gives_trees(name: str) -> None:
    f, arguments, in_axes, out_axes = AXES[name]
    theirs = tuple(in_axes) if isinstance(in_axes, list) else in_axes
    expected = torch.func.vmap(f, theirs, out_axes)(*in_torch(arguments))
    assert_same(vmap(lambda *a: f(*a), in_axes, out_axes)(*map(tensors, arguments)), expected)


def tensors(tree: Any) -> Any:
    found, structure = trees.flatten(tree)
    return trees.unflatten(structure, [Tensor(x) for _, x in found])


def test_per_example_gradients_of_a_dict_of_parameters() -> None:
    p, _, read = TREES["dict"]
    loss = loss_with(read)
    expected = torch.func.vmap(torch.func.grad(loss), (None, 0, 0))(*in_torch((p, X, T)))
    assert_same(vmap(grad(loss), (None, 0, 0))(tensors(p), X, T), expected)


def test_vmap_maps_keyword_arguments_over_their_first_axis() -> None:
    found = vmap(lambda x, scale: x * scale)(X, scale=np.arange(5.0))
    np.testing.assert_array_equal(found.data if isinstance(found, Tensor) else found,
                                  X * np.arange(5.0)[:, None])  # fmt: skip


# --- The walker -----------------------------------------------------------------------------------


def test_a_leaf_is_named_by_its_path() -> None:
    value = {"b": [1, None], "a": Line(2, {"c": 3})}
    found, structure = trees.flatten(value)
    assert found == [("a.0", 2), ("a.1.c", 3), ("b.0", 1)]
    assert trees.unflatten(structure, [x for _, x in found]) == value
    assert type(trees.unflatten(structure, [1, 2, 3])["a"]) is Line
    assert trees.leaves(value, none_is_leaf=True) == [2, 3, 1, None]


def test_the_loss_is_a_sum_over_leaves_of_any_tree() -> None:
    total = grad(lambda p: dl.exp(p["a"]) + p["b"][0] * 3.0)({"b": [1.0], "a": 0.0})
    assert total["a"].item() == 1.0
    assert total["b"][0].item() == 3.0
