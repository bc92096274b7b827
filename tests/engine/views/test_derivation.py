"""The derivation of a gradient: its numbers are backward's, and its formulas give its numbers."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from latex2mathml.converter import convert
from parity import CASES, Case, our_tensors

import dlcourse as dl
from dlcourse import Tensor, ops
from dlcourse.graphs import draw, gradient
from dlcourse.views.derivation import Derivation, derive


def example(x: Any, y: Any) -> Any:
    return (x * y + dl.sin(x)) * x


EXAMPLE = """\
Forward: the values up to v4
  x             2       f64[]
  y             3       f64[]
  v1 = x * y    6       f64[]
  v2 = sin(x)   0.9093  f64[]
  v3 = v1 + v2  6.909   f64[]
  v4 = v3 * x   13.82   f64[]

Backward: NAME_bar is d(v4)/d(NAME)
  v4_bar = 1                   1                        f64[]
  from v4 = v3 * x
    v3_bar = v4_bar * x        2                        f64[]
    x_bar = v4_bar * v3        6.909                    f64[]
  from v3 = v1 + v2
    v1_bar = v3_bar            2                        f64[]
    v2_bar = v3_bar            2                        f64[]
  from v2 = sin(x)
    x_bar += v2_bar * cos(x)   -0.8323, in total 6.077  f64[]
  from v1 = x * y
    x_bar += v1_bar * y        6, in total 12.08        f64[]
    y_bar = v1_bar * x         4                        f64[]

Result
  x_bar  12.08  f64[]
  y_bar  4      f64[]"""

EXAMPLE_TEX = r"""\begin{aligned}
x & = 2 \\
y & = 3 \\
v_{1} & = x \cdot y && = 6 \\
v_{2} & = \sin\left(x\right) && = 0.9093 \\
v_{3} & = v_{1} + v_{2} && = 6.909 \\
v_{4} & = v_{3} \cdot x && = 13.82 \\[1ex]
\bar{v}_{4} & = 1 \\
\bar{v}_{3} & = \bar{v}_{4} \cdot x && = 2 \\
\bar{x} & = \bar{v}_{4} \cdot v_{3} && = 6.909 \\
\bar{v}_{1} & = \bar{v}_{3} && = 2 \\
\bar{v}_{2} & = \bar{v}_{3} && = 2 \\
\bar{x} & \mathrel{+}= \bar{v}_{2} \cdot \cos\left(x\right) && = -0.8323 && \text{(in total } 6.077\text{)} \\
\bar{x} & \mathrel{+}= \bar{v}_{1} \cdot y && = 6 && \text{(in total } 12.08\text{)} \\
\bar{y} & = \bar{v}_{1} \cdot x && = 4
\end{aligned}"""  # noqa: E501


def test_a_derivation_prints_as_a_table() -> None:
    lines = str(derive(example, 2.0, 3.0)).splitlines()
    assert [re.sub(r"  +", "  ", x) for x in lines] == [
        re.sub(r"  +", "  ", x) for x in EXAMPLE.splitlines()
    ]


def test_a_derivation_is_latex() -> None:
    derivation = derive(example, 2.0, 3.0)
    assert derivation.latex() == EXAMPLE_TEX
    assert derivation._repr_latex_() == f"$$\n{EXAMPLE_TEX}\n$$"


def evaluated(formula: str, values: dict[str, Any]) -> Any:
    names = {name: getattr(ops, name) for name in ops.PRIMITIVES if hasattr(ops, name)}
    return eval(formula, {"inf": np.inf, "float64": np.float64}, names | values)


NORMAL = np.random.default_rng(0).normal
FUNCTIONS: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [
    (example, (2.0, 3.0)),
    (lambda x, y: (x * y + dl.sin(x)) * x / y - x**2, (2.0, 3.0)),
    (lambda x, y: (x - (y - x)) - (-y) * -x, (2.0, 3.0)),
    (lambda x, y: x / (y / x) / y * (x * (y * x)), (2.0, 3.0)),
    (lambda x, y: (x**y) ** (x + 1) + (-x) ** 2 - 2**-y, (2.0, 3.0)),
    (lambda x: x * x * 1 + 0, (3.0,)),
    (lambda x, w, b, t: ((dl.relu(x @ w + b) - t) ** 2).mean(),
     (NORMAL(size=(2, 3)), NORMAL(size=(3, 2)), NORMAL(size=2), NORMAL(size=(2, 2)))),
    (lambda x, w: (x @ w).tanh().sum(axis=0, keepdims=True).square().sum(),
     (NORMAL(size=(2, 3)), NORMAL(size=3))),
    (lambda x: (dl.softmax(x, axis=0) * dl.log_softmax(x)).sum(), (NORMAL(size=(3, 3)),)),
    (lambda x, y: dl.where(x > y, x * y, dl.maximum(x, 0.5) - y).sum(),
     (NORMAL(size=(4, 1)), NORMAL(size=3))),
    (lambda x: dl.exp(x).sqrt().log().reshape(2, 2).T.abs().max(), (NORMAL(size=4),)),
    (lambda x: (x.sigmoid().astype("float64") * np.arange(3)).logsumexp(), (NORMAL(size=3),)),
]  # fmt: skip


@pytest.mark.parametrize(("function", "arguments"), FUNCTIONS)
def test_each_formula_evaluates_to_the_value_beside_it(
    function: Callable[..., Any], arguments: tuple[Any, ...]
) -> None:
    derivation = derive(function, *arguments)
    values = {v.name: v.value for v in derivation.values}
    for v in derivation.values:
        if v.formula is not None:
            np.testing.assert_allclose(evaluated(v.formula.text, values), v.value, rtol=1e-12)
    totals: dict[str, Any] = {}
    for step in derivation.steps:
        values[f"{step.name}_bar"] = step.gradient
        for c in step.contributions:
            np.testing.assert_allclose(evaluated(c.rule.text, values), c.value, rtol=1e-12)
            assert c.is_first == (c.target not in totals)
            totals[c.target] = totals.get(c.target, 0) + c.value
            np.testing.assert_allclose(c.total, totals[c.target], rtol=1e-12)
    for name, g in derivation.gradients.items():
        np.testing.assert_allclose(totals[name], g, rtol=1e-12)


def checked_latex(derivation: Derivation) -> str:
    """The LaTeX, which must be well formed."""
    text = derivation.latex()
    assert text.count("{") == text.count("}")
    assert text.count(r"\left") == text.count(r"\right")
    assert convert(text).startswith("<math")
    return text


# Products of all other factors.
WITHOUT_A_SHORT_RULE = ("prod",)

differentiable = [
    case for case in CASES if any(rule is not None for rule in ops.PRIMITIVES[case.op].rules_for(1))
]


@pytest.mark.parametrize("case", differentiable, ids=str)
def test_each_operation_of_the_table_has_a_derivation(case: Case) -> None:
    xs = our_tensors(case.inputs)
    with np.errstate(all="ignore"):
        y = case.ours(*xs)
        if not y.requires_grad:
            return
        seed = NORMAL(size=y.shape)
        derivation = derive(y, gradient=seed)
        checked_latex(derivation)
        y.backward(seed)
    if case.op not in WITHOUT_A_SHORT_RULE:
        assert "_rule(" not in derivation.text()
    expected = [x.grad.data for x in xs if x.grad is not None]
    for g, e in zip(derivation.gradients.values(), expected, strict=True):
        np.testing.assert_array_equal(g, e)


def test_a_tensor_can_be_derived_with_names_of_ones_own() -> None:
    x, w = Tensor([1.0, 2.0], requires_grad=True), Tensor([3.0, 4.0], requires_grad=True)
    scale, big = Tensor(2.0), Tensor(np.arange(2.0))
    h = x * w * scale
    loss = (h + big).sum()
    derivation = derive(loss, names={"x": x, "h": h, "L": loss, "scale": scale})
    assert [(v.kind, v.name, v.formula and v.formula.text) for v in derivation.values] == [
        ("variable", "x", None),
        ("variable", "x1", None),
        ("constant", "scale", None),
        ("constant", "c1", None),
        ("operation", "v1", "x * x1"),
        ("operation", "h", "v1 * scale"),
        ("operation", "v2", "h + c1"),
        ("operation", "L", "sum(v2)"),
    ]
    assert x.grad is None
    loss.backward()
    np.testing.assert_array_equal(derivation.gradients["x"], x.grad.data)


def test_names_that_are_given_are_not_given_twice() -> None:
    v1 = Tensor(1.0, requires_grad=True)
    derivation = derive((v1 * 2) * 3, names={"v1": v1})
    assert [v.name for v in derivation.values] == ["v1", "v2", "v3"]


def test_arguments_in_containers_are_named_after_their_places() -> None:
    def loss(params: dict[str, Any], x: Any, power: int) -> Any:
        return (params["w"] * x**power).sum()

    derivation = derive(loss, {"w": np.ones(2)}, np.array([2.0, 3.0]), 2)
    assert list(derivation.gradients) == ["params.w", "x"]
    assert r"\overline{\mathrm{params}}_{\mathrm{w}}" in checked_latex(derivation)


def test_broadcasting_is_undone_in_the_formula() -> None:
    derivation = derive(lambda x, b: (x + b).sum(), np.ones((2, 3)), np.ones(3))
    rules = {c.target: c.rule.text for step in derivation.steps for c in step.contributions}
    assert rules["b"] == "sum(v1_bar, axis=0)"
    assert rules["v1"] == "broadcast_to(v2_bar, shape=(2, 3))"


def test_the_algebra_of_a_rule_is_simplified() -> None:
    ((step,),) = [derive(lambda x: x**2, 3.0).steps]
    assert step.contributions[0].rule.text == "v1_bar * 2 * x"


def test_products_of_arrays_and_of_numbers_differ_in_latex() -> None:
    latex = checked_latex(derive(lambda x, y: (x * x * y).sum(), np.ones(2), 3.0))
    assert r"v_{1} & = x \odot x &&" in latex
    assert r"v_{2} & = v_{1} \cdot y &&" in latex


def test_large_arrays_are_shown_by_their_shape() -> None:
    derivation = derive(lambda x: x.sum(), np.ones((10, 20)))
    assert r"x & \in \mathbb{R}^{10 \times 20}" in checked_latex(derivation)
    assert re.search(r"\n  x +\.\.\. +f64\[10,20\]\n", derivation.text())
    small = derive(lambda x: x.sum(), np.array([[1.0, -0.5], [1e-7, np.inf]]))
    assert r"\begin{bmatrix}1 & -0.5 \\ 1 \cdot 10^{-7} & \infty\end{bmatrix}" in small.latex()
    assert "[[1, -0.5], [1e-07, inf]]" in small.text()


def test_a_seed_can_be_given_for_what_is_no_scalar() -> None:
    derivation = derive(lambda x: x * 2, np.ones(2), gradient=np.array([1.0, 10.0]))
    np.testing.assert_array_equal(derivation.gradients["x"], [2.0, 20.0])
    assert r"\bar{v}_{1} & = \begin{bmatrix}1 & 10\end{bmatrix}" in derivation.latex()


def test_a_variable_can_be_the_result_itself() -> None:
    derivation = derive(lambda x: x, 3.0)
    assert (derivation.steps, derivation.gradients["x"]) == ((), 1.0)
    assert "x_bar = 1" in derivation.text()


def test_the_pictures_of_a_derivation() -> None:
    derivation = derive(example, 2.0, 3.0)
    tape = derivation.tape()
    assert [n.lines[-1] for n in tape.nodes if n.kind == "operation"] == [
        "v1 = 6", "v2 = 0.9093", "v3 = 6.909", "v4 = 13.82",
    ]  # fmt: skip
    assert tape.nodes[0].gradient == "12.08"
    graph = derivation.graph("f")
    assert str(graph).splitlines()[0] == "def f(x: f64[], y: f64[]):"
    value, *gradients = gradient(graph).run(np.array(2.0), np.array(3.0))
    np.testing.assert_allclose(gradients, list(derivation.gradients.values()))
    np.testing.assert_allclose(value, derivation.root.data)
    assert "multiply" in draw(graph).svg()


def freed() -> Tensor:
    x = Tensor(3.0, requires_grad=True)
    y = x * x
    y.backward()
    return y


@pytest.mark.parametrize(
    ("expression", "options", "error", "message"),
    [
        (3.0, {}, TypeError, "expected a Tensor or a function, got float"),
        (lambda: 3.0, {}, TypeError, "a function that returns a Tensor, got float"),
        (Tensor(1.0), {}, ValueError, "depends on no tensor that requires a gradient"),
        (Tensor([1.0, 2.0], True) * 2, {}, ValueError, r"expected a scalar .* got shape \(2,\)"),
        (Tensor([1.0], True) * 2, {"gradient": 1.0}, ValueError, r"shape \(1,\), got \(\)"),
        (freed(), {}, RuntimeError, "retain_graph=True"),
    ],
)
def test_what_cannot_be_derived_is_refused(
    expression: Any, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        derive(expression, **options)
