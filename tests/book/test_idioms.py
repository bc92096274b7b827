"""The page "Coming from PyTorch, TensorFlow or JAX" is true: each row runs in both frameworks."""

from __future__ import annotations

import ast
import importlib.util
from typing import Any

import numpy as np
import pytest
from idioms import IDIOMS, SETUP, Idiom

A = np.random.default_rng(0).uniform(0.2, 2.0, size=(2, 3))
B = np.random.default_rng(1).uniform(0.2, 2.0, size=3)
K = np.array([2, 0])
ROWS = [
    pytest.param(framework, row, id=f"{framework}-{row.theirs.splitlines()[-1]}")
    for framework, rows in IDIOMS.items()
    for row in rows
]
TRAPS = [
    pytest.param(framework, row, id=row.trap)
    for framework, rows in IDIOMS.items()
    for row in rows
    if row.trap
]
# JAX is no dependency of the course. Where it is not installed, its column is not run.
INSTALLED = {name for name, module in [("PyTorch", "torch"), ("TensorFlow", "tensorflow"),
             ("JAX", "jax")] if importlib.util.find_spec(module)}  # fmt: skip


def value(framework: str, code: str) -> Any:
    """What the last line of ``code`` gives after the framework's setup."""
    names: dict[str, Any] = {"A": A.copy(), "B": B.copy(), "K": K.copy()}
    exec(SETUP[framework], names)
    names["lib"] = names.get("dl", names.get("torch"))
    *before, last = ast.parse(code).body
    assert isinstance(last, ast.Expr)
    exec(compile(ast.Module(before, []), "<row>", "exec"), names)
    return plain(eval(compile(ast.Expression(last.value), "<row>", "eval"), names))


def plain(x: Any) -> Any:
    """Numbers, lists and arrays in NumPy's terms."""
    if x is None or isinstance(x, str | bool):
        return x
    if isinstance(x, dict):
        return {key: plain(part) for key, part in x.items()}
    if isinstance(x, list | tuple):
        return [plain(part) for part in x]
    detached = x.detach() if hasattr(x, "detach") else x
    return np.asarray(detached)


def assert_same(a: Any, b: Any) -> None:
    assert type(a) is type(b)
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, list):
        assert len(a) == len(b)
        for part, other in zip(a, b, strict=True):
            assert_same(part, other)
    elif isinstance(a, np.ndarray):
        assert a.shape == b.shape
        assert a.dtype.kind == b.dtype.kind
        np.testing.assert_allclose(a, b, rtol=1e-6 if "32" in f"{b.dtype}" else 1e-12, atol=1e-14)
    else:
        assert a == b


@pytest.mark.parametrize(("framework", "row"), ROWS)
def test_both_sides_of_a_row_compute_the_same(framework: str, row: Idiom) -> None:
    ours = value("dlcourse", row.ours)
    if framework in INSTALLED:
        assert_same(ours, value(framework, row.theirs))
    else:
        assert framework == "JAX"


@pytest.mark.parametrize(("framework", "row"), TRAPS)
def test_a_trap_that_a_row_warns_of_is_one(framework: str, row: Idiom) -> None:
    assert row.why
    with pytest.raises(AssertionError):
        assert_same(value("dlcourse", row.trap), value(framework, row.trap))


def test_no_row_stands_twice() -> None:
    for rows in IDIOMS.values():
        assert len({row.theirs for row in rows}) == len(rows)
