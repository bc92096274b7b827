"""What the functions that make derivatives say to arguments of the wrong kind."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import dlcourse as dl
from dlcourse import (
    GradientTape,
    Tensor,
    checkpoint,
    custom_gradient,
    grad,
    gradcheck,
    gradgradcheck,
    gradients,
    hessian,
    hvp,
    jacobian,
    jvp,
    value_and_grad,
    vjp,
    vmap,
)

X, W = np.ones(3), np.ones((3, 2))
v = Tensor(X, requires_grad=True)


def loss(x):
    return (x * x).sum()


def two(x, y):
    return (x * y).sum()


Wrong = tuple[Callable[[], object], type[Exception], str]
WRONG: dict[str, Wrong] = {
    # argnums
    "grad(argnums=5)": (
        lambda: grad(two, 5)(X, X), ValueError, "grad: expected -2 <= argnums < 2, since 2"),
    "grad(argnums=-3)": (lambda: grad(two, -3)(X, X), ValueError, "expected -2 <= argnums < 2"),
    "grad(argnums=(0, 7))": (lambda: grad(two, (0, 7))(X, X), ValueError, "got (0, 7)"),
    "grad(argnums='x')": (lambda: grad(two, "x")(X, X), TypeError, "argnums to be an integer"),
    "grad(argnums=1.0)": (lambda: grad(two, 1.0)(X, X), TypeError, "got 1.0"),
    "grad(argnums=(0, 0))": (lambda: grad(two, (0, -2))(X, X), ValueError, "different argnums"),
    "grad(argnums=())": (lambda: grad(two, ())(X, X), ValueError, "at least one, got ()"),
    "jacobian(argnums=1)": (lambda: jacobian(loss, 1)(X), ValueError, "jacobian: expected -1 <="),
    "hessian(argnums=1)": (lambda: hessian(loss, 1)(X), ValueError, "argnums < 1, since 1"),
    "grad without arguments": (lambda: grad(loss)(), ValueError, "since 0 arguments"),
    # What the function takes
    "grad by integers": (
        lambda: grad(lambda p: loss(p["a"]))({"a": np.arange(3)}), TypeError,
        "grad: argument 0.a: expected floating point numbers, since a gradient is no integer; got"),
    "grad by a text": (lambda: grad(loss)("abc"), TypeError, "got dtype <U3"),
    "vjp by integers": (lambda: vjp(loss, np.arange(3)), TypeError, "vjp: argument 0: expected"),
    "value_and_grad by integers": (
        lambda: value_and_grad(loss)(np.arange(3)), TypeError, "value_and_grad: argument 0"),
    "jvp by integers": (lambda: jvp(loss, (np.arange(3),), (X,)), TypeError, "jvp: argument 0"),
    "jvp of a text": (lambda: jvp(lambda x: "no", (X,), (X,)), TypeError, "jvp: expected a func"),
    "vjp of a text": (lambda: vjp(lambda x: "no", X), TypeError, "vjp: expected a function"),
    "hvp by integers": (lambda: hvp(loss, (np.arange(3),), (X,)), TypeError, "hvp: argument 0"),
    "jacobian by None": (lambda: jacobian(loss)(object()), TypeError, "got dtype object"),
    # What the function returns
    "grad of a vector": (lambda: grad(dl.exp)(X), TypeError, "scalar value, got shape (3,)"),
    "grad of a pair": (lambda: grad(lambda x: (x.sum(), x))(X), TypeError, "got 2 values"),
    "grad of None": (lambda: grad(lambda x: None)(X), TypeError, "returns a Tensor, got None"),
    "grad of a text": (lambda: grad(lambda x: "no")(X), TypeError, "returns a Tensor, got str"),
    "value_and_grad of a vector": (lambda: value_and_grad(dl.exp)(X), TypeError, "got shape (3,)"),
    "hessian of a vector": (
        lambda: hessian(dl.exp)(X), TypeError,
        "hessian: expected a function with a scalar value, got shape (3,)"),
    "hvp of a vector": (lambda: hvp(dl.exp, (X,), (X,)), TypeError, "hvp: expected a function"),
    "jacobian of a text": (lambda: jacobian(lambda x: "no")(X), TypeError, "jacobian: expected"),
    # Tangents and cotangents
    "jvp with a tangent of another shape": (
        lambda: jvp(dl.exp, (X,), (W,)), ValueError, "tangents of the shapes [(3,)], got [(3, 2)]"),
    "jvp with another structure": (
        lambda: jvp(lambda p: p["a"], ({"a": X},), ([X],)), ValueError,
        "jvp: tangents: expected the structure tuple({'a': .}), got tuple(list(.))"),
    "jvp with too few tangents": (lambda: jvp(two, (X, X), (X,)), ValueError, "tuple(., .), got"),
    "jvp of a bare array": (lambda: jvp(dl.exp, X, X), TypeError, "a tuple of primals"),
    "jvp of nothing": (lambda: jvp(lambda: X, (), ()), ValueError, "at least one primal"),
    "hvp with a tangent of another shape": (
        lambda: hvp(loss, (X,), (W,)), ValueError, "hvp: expected tangents of the shapes"),
    "pullback of another shape": (
        lambda: vjp(dl.exp, X)[1](W), ValueError, "vjp: expected a cotangent of the shapes [(3,)]"),
    "pullback of another structure": (
        lambda: vjp(lambda x: {"a": x}, X)[1](X), ValueError,
        "vjp: cotangent: expected the structure {'a': .}, got ."),
    # vmap
    "vmap of a scalar": (
        lambda: vmap(loss)(3.0), ValueError,
        "vmap: in_axes: expected an axis of an array of shape (), got 0"),
    "vmap(in_axes=7)": (lambda: vmap(loss, 7)(X), ValueError, "array of shape (3,), got 7"),
    "vmap(in_axes=-2)": (lambda: vmap(loss, -2)(X), ValueError, "array of shape (3,), got -2"),
    "vmap(in_axes='a')": (lambda: vmap(loss, "a")(X), TypeError, "integers or None, got 'a'"),
    "vmap with too few axes": (lambda: vmap(two, (0,))(X, X), ValueError, "part of tuple(., .)"),
    "vmap with axes of another structure": (
        lambda: vmap(loss, ({"b": 0},))({"a": X}), ValueError, "each part of {'a': .}, got {'b'"),
    "vmap without arguments": (lambda: vmap(lambda: 1.0)(), ValueError, "at least 1, got []"),
    "vmap of texts": (lambda: vmap(lambda x: "no")(X), TypeError, "returns arrays, got"),
    "vmap(out_axes=3)": (lambda: vmap(dl.exp, 0, 3)(X), ValueError, "out_axes: expected an axis"),
    "vmap(out_axes=None) of what differs": (
        lambda: vmap(dl.exp, 0, None)(X), ValueError, "that differs between the examples"),
    "vmap(out_axes=(0, 0)) of one result": (
        lambda: vmap(dl.exp, 0, (0, 0))(X), ValueError, "vmap: out_axes: expected one value"),
    # gradients and backward
    "gradients by an array": (lambda: gradients(loss(v), X), TypeError, "Tensors, got float64"),
    "gradients by a constant": (
        lambda: gradients(loss(v), Tensor(X)), RuntimeError, "one of shape (3,) that does not"),
    "backward(inputs=[])": (lambda: loss(v).backward(inputs=[]), RuntimeError, "at least one"),
    "backward(inputs=constant)": (
        lambda: loss(v).backward(inputs=Tensor(1.0)), RuntimeError, "require a gradient"),
    "backward(inputs=3)": (lambda: loss(v).backward(inputs=[3]), TypeError, "Tensors, got int"),
    # The others
    "gradcheck of single precision": (
        lambda: gradcheck(loss, Tensor(X, requires_grad=True, dtype="f4")), TypeError, "float64"),
    "gradcheck without inputs": (lambda: gradcheck(loss, Tensor(X)), ValueError, "requires_grad"),
    "gradcheck of an array": (lambda: gradcheck(loss, X), TypeError, "gradcheck: expected Tensors"),
    "gradgradcheck of an array": (
        lambda: gradgradcheck(loss, [X]), TypeError, "gradgradcheck: expected Tensors"),
    "custom_gradient without a pullback": (
        lambda: custom_gradient(loss)(v), TypeError, "(value, pullback), got"),
    "a tape that watches an array": (lambda: watch(X), ValueError, "watch: expected Tensors"),
    "a tape of an array": (lambda: tape_gradient(X), TypeError, "a target to be a Tensor"),
    "checkpoint of a pair": (
        lambda: checkpoint(lambda x: (x, x), v), TypeError, "checkpoint: expected a function that"),
}  # fmt: skip


def watch(x):
    with GradientTape() as tape:
        tape.watch(x)


def tape_gradient(x):
    with GradientTape() as tape:
        pass
    tape.gradient(x, v)


@pytest.mark.parametrize("name", WRONG)
def test_it_says_what_was_expected_and_what_came(name: str) -> None:
    call, kind, text = WRONG[name]
    with pytest.raises(kind) as caught:
        call()
    assert caught.type is kind
    assert text in str(caught.value)
