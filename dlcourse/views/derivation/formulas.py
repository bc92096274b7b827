"""Operations as formulas: Python text that reads as mathematics, and LaTeX."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dlcourse.graphs.show.picture import shown_parameters
from dlcourse.graphs.show.printing import parameter_text
from dlcourse.graphs.symbol import Symbol
from dlcourse.ops import Primitive

COMPARISON, SUM, PRODUCT, SIGN, POWER, ATOM = range(6)


@dataclass(frozen=True)
class Formula:
    """An expression.

    Attributes:
        text, tex: As Python would write it, and as LaTeX.
        strength: How tightly its outermost operator binds, to know where brackets are needed.
        is_scalar: Whether its value has one element; then a product is written with a point.
    """

    text: str
    tex: str
    strength: int = ATOM
    is_scalar: bool = False

    def within(self, strength: int, is_right: bool = False) -> Formula:
        """The formula as an operand of an operator that binds with ``strength``."""
        binds = self.strength > strength or (self.strength == strength and not is_right)
        if binds and not (is_right and self.text.startswith("-")):
            return self
        return Formula(f"({self.text})", rf"\left({self.tex}\right)", ATOM, self.is_scalar)


# The operators: their signs in Python and in LaTeX, and how tightly they bind.
OPERATORS: Mapping[str, tuple[str, str, int]] = {
    "add": ("+", "+", SUM),
    "subtract": ("-", "-", SUM),
    "multiply": ("*", r"\odot", PRODUCT),
    "divide": ("/", "/", PRODUCT),
    "matmul": ("@", r"\,", PRODUCT),
    "equal": ("==", "=", COMPARISON),
    "not_equal": ("!=", r"\neq", COMPARISON),
    "less": ("<", "<", COMPARISON),
    "less_equal": ("<=", r"\leq", COMPARISON),
    "greater": (">", ">", COMPARISON),
    "greater_equal": (">=", r"\geq", COMPARISON),
}
# What has a notation of its own in LaTeX, and how tightly that binds.
NOTATIONS: Mapping[str, tuple[Callable[[str], str], int]] = {
    "exp": (lambda a: f"e^{{{a}}}", POWER),
    "sqrt": (lambda a: rf"\sqrt{{{a}}}", ATOM),
    "abs": (lambda a: rf"\left|{a}\right|", ATOM),
    "floor": (lambda a: rf"\lfloor {a} \rfloor", ATOM),
    "ceil": (lambda a: rf"\lceil {a} \rceil", ATOM),
}
FUNCTIONS = ("sin", "cos", "tan", "arctan", "sinh", "cosh", "tanh", "log", "max", "min", "arg")


def name_formula(name: str, is_scalar: bool = False, bar: bool = False) -> Formula:
    """A variable, such as ``v3`` or ``params.w``; with a bar, the derivative with respect to it."""
    head, _, rest = re.sub(r"^([A-Za-z]+)(\d+)$", r"\1.\2", name).replace("_", ".").partition(".")
    tex = head if len(head) == 1 else rf"\mathrm{{{head}}}"
    if bar:
        tex = rf"\bar{{{tex}}}" if len(head) == 1 else rf"\overline{{{tex}}}"
    if rest:
        tex += f"_{{{rest}}}" if rest.isdigit() else rf"_{{\mathrm{{{rest}}}}}"
    return Formula(f"{name}_bar" if bar else name, tex, ATOM, is_scalar)


def number_formula(value: Any) -> Formula:
    """A number as it is; a negative one needs brackets where a sign does."""
    item = np.asarray(value).item()
    text = f"{item:.4g}" if isinstance(item, float) else str(item)
    return Formula(text, number_tex(item), SIGN if text.startswith("-") else ATOM, True)


def number_tex(value: Any) -> str:
    """A number with four digits in LaTeX."""
    if isinstance(value, bool):
        return rf"\text{{{value}}}"
    if isinstance(value, int):
        return str(value)
    if not np.isfinite(value):
        return r"\text{nan}" if np.isnan(value) else r"\infty" if value > 0 else r"-\infty"
    mantissa, _, exponent = f"{value:.4g}".partition("e")
    return mantissa if not exponent else rf"{mantissa} \cdot 10^{{{int(exponent)}}}"


def operation_formula(
    op: Primitive,
    operands: Sequence[Formula],
    parameters: Mapping[str, Any],
    is_scalar: bool = False,
) -> Formula:
    """An operation on operands whose formulas are given."""
    if op.name in OPERATORS:
        sign, tex_sign, strength = OPERATORS[op.name]
        a, b = operands[0].within(strength), operands[1].within(strength, True)
        if op.name == "multiply" and (a.is_scalar or b.is_scalar):
            tex_sign = r"\cdot"
        tex = f"{a.tex} {tex_sign} {b.tex}"
        if op.name == "divide":
            tex = rf"\frac{{{operands[0].tex}}}{{{operands[1].tex}}}"
        return Formula(f"{a.text} {sign} {b.text}", tex, strength, is_scalar)
    if op.name == "negative":
        a = operands[0].within(SIGN, True)
        return Formula(f"-{a.text}", f"-{a.tex}", SIGN, is_scalar)
    if op.name == "power":
        a, b = operands[0].within(POWER, True), operands[1].within(SIGN)
        tex = f"{{{a.tex}}}^{{{operands[1].tex}}}"
        return Formula(f"{a.text} ** {b.text}", tex, POWER, is_scalar)
    if op.name == "square":
        a = operands[0].within(POWER, True)
        return Formula(f"square({operands[0].text})", f"{{{a.tex}}}^{{2}}", POWER, is_scalar)
    return _call(op, operands, parameters, is_scalar)


def _call(
    op: Primitive, operands: Sequence[Formula], parameters: Mapping[str, Any], is_scalar: bool
) -> Formula:
    shown = shown_parameters(op, parameters)
    first = operands[0] if operands else Formula("", "")
    if op.name == "transpose" and shown.get("axes", (1, 0)) == (1, 0):
        a = first.within(POWER, True)
        return Formula(f"{a.text}.T", rf"{{{a.tex}}}^{{\top}}", POWER, is_scalar)
    texts = [a.text for a in operands] + [f"{k}={parameter_text(v)}" for k, v in shown.items()]
    text = f"{op.name}({', '.join(texts)})"
    if op.name in NOTATIONS and len(operands) == 1:
        notation, strength = NOTATIONS[op.name]
        return Formula(text, notation(first.tex), strength, is_scalar)
    name = rf"\{op.name}" if op.name in FUNCTIONS else rf"\operatorname{{{_escaped(op.name)}}}"
    below = ", ".join(_index_text(v) for k, v in shown.items() if k != "keepdims")
    subscript = rf"_{{\text{{{below}}}}}" if below else ""
    inner = ", ".join(a.tex for a in operands)
    return Formula(text, rf"{name}{subscript}\left({inner}\right)", ATOM, is_scalar)


def _index_text(value: Any) -> str:
    parts = value if isinstance(value, tuple) else (value,)
    return _escaped(", ".join(map(parameter_text, parts)))


def _escaped(text: str) -> str:
    return re.sub(r"([_#%&{}$])", r"\\\1", text)


def expression(value: Any, known: Mapping[int, Formula]) -> Formula:
    """The formula of a Symbol in terms of those that are known by id; constants as numbers."""
    if id(value) in known:
        return known[id(value)]
    if isinstance(value, Symbol) and value.op is not None:
        operands = [expression(x, known) for x in value.operands]
        return operation_formula(value.op, operands, value.parameters, value.size == 1)
    if np.size(value) == 1:
        return number_formula(value)
    return array_formula(np.asarray(value))


def array_formula(array: Any) -> Formula:
    """A constant array, by its shape; zeros and ones by a symbol."""
    first = array.ravel()[0] if array.size else 0
    if array.size and bool(np.all(array == first)):
        number = number_formula(first)
        return Formula(f"full({array.shape}, {number.text})", rf"\mathbf{{{number.tex}}}")
    return Formula(f"constant{list(array.shape)}", r"\text{constant}")
