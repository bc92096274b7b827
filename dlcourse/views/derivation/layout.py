"""A derivation as plain text and as LaTeX."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlcourse.graphs.symbol import type_text
from dlcourse.views.derivation.formulas import Formula, name_formula, number_formula, number_tex
from dlcourse.views.derivation.records import Contribution, Record

# Arrays of more elements are shown by their types alone.
LARGEST = 9


def text(derivation: Record) -> str:
    """The tables of the way forward and of the way back."""
    forward = [
        (f"{v.name} = {v.formula.text}" if v.formula else v.name, *_value_columns(v.value))
        for v in derivation.values
    ]
    root = name_formula(derivation.names[id(derivation.root)], bar=True)
    backward = [(f"{root.text} = {_seed(derivation).text}", *_value_columns(derivation.seed))]
    for step in derivation.steps:
        backward.append((f"from {step.name} = {step.formula.text}", "", ""))
        backward += [_contribution_row(c) for c in step.contributions]
    results = [
        (name_formula(name, bar=True).text, *_value_columns(g))
        for name, g in derivation.gradients.items()
    ]
    titles = [f"Forward: the values up to {derivation.names[id(derivation.root)]}",
              f"Backward: NAME_bar is d({derivation.names[id(derivation.root)]})/d(NAME)",
              "Result"]  # fmt: skip
    tables = zip(titles, (forward, backward, results), strict=True)
    return "\n\n".join("\n".join([title, *_table(rows)]) for title, rows in tables)


def _contribution_row(c: Contribution) -> tuple[str, str, str]:
    target = name_formula(c.target, bar=True).text
    value, kind = _value_columns(c.value)
    if not c.is_first and c.total.size <= LARGEST:
        value += f", in total {value_text(c.total)}"
    return f"  {target} {'=' if c.is_first else '+='} {c.rule.text}", value, kind


def _seed(derivation: Record) -> Formula:
    if derivation.seed.size == 1:
        return number_formula(derivation.seed)
    return Formula("gradient", r"\text{gradient}")


def _value_columns(value: Any) -> tuple[str, str]:
    return ("..." if value.size > LARGEST else value_text(value)), type_text(value)


def _table(rows: list[tuple[str, str, str]]) -> list[str]:
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(2)]
    return [f"  {a:{widths[0]}}  {b:{widths[1]}}  {c}".rstrip() for a, b, c in rows]


def value_text(array: Any) -> str:
    """An array in full, each number with four digits."""
    if array.ndim:
        return f"[{', '.join(map(value_text, array))}]"
    return number_formula(array).text


def latex(derivation: Record) -> str:
    """An aligned environment: the values, a gap, the contributions."""
    rows = [
        _row(name_formula(v.name).tex, "=", v.formula.tex if v.formula else None, v.value)
        for v in derivation.values
    ]
    rows[-1] += r"[1ex]"
    root = name_formula(derivation.names[id(derivation.root)], bar=True).tex
    rows.append(_row(root, "=", None, derivation.seed))
    for step in derivation.steps:
        for c in step.contributions:
            sign = "=" if c.is_first else r"\mathrel{+}="
            target = name_formula(c.target, bar=True).tex
            total = None if c.is_first else c.total
            rows.append(_row(target, sign, c.rule.tex, c.value, total))
    rows[-1] = rows[-1].removesuffix(r" \\")
    return "\n".join([r"\begin{aligned}", *rows, r"\end{aligned}"])


def _row(left: str, sign: str, formula: str | None, value: Any, total: Any = None) -> str:
    if value.size > LARGEST or value.ndim > 2:
        shape = r" \times ".join(map(str, value.shape))
        shown = rf"\in \mathbb{{R}}^{{{shape}}}"
        cells = f"{left} & {sign} {formula} && {shown}" if formula else f"{left} & {shown}"
    else:
        cells = f"{left} & {sign} {formula} && = {value_tex(value)}"
        if not formula:
            cells = f"{left} & {sign} {value_tex(value)}"
        if total is not None:
            cells += rf" && \text{{(in total }} {value_tex(total)}\text{{)}}"
    return rf"{cells} \\"


def value_tex(array: Any) -> str:
    """A number, a row vector or a matrix."""
    if not array.ndim:
        return number_tex(np.asarray(array).item())
    rows = [array] if array.ndim == 1 else array
    lines = [" & ".join(number_tex(x.item()) for x in row) for row in rows]
    inner = r" \\ ".join(lines)
    return rf"\begin{{bmatrix}}{inner}\end{{bmatrix}}"
