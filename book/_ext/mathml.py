"""Formulas as MathML, made when the book is built: a page needs no script to show them.

Temml (https://temml.org, MIT licence) translates LaTeX; V8, the engine of Chromium, runs it inside
Python. A formula that Temml does not understand is a warning, and so fails the build.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from docutils import nodes
from py_mini_racer import JSEvalException, MiniRacer
from sphinx.application import Sphinx
from sphinx.util import logging

TEMML = Path(__file__).parent / "temml" / "temml.min.js"
logger = logging.getLogger(__name__)


@cache
def _engine() -> MiniRacer:
    engine = MiniRacer()
    engine.eval("var module = {exports: {}};" + TEMML.read_text(encoding="utf-8"))
    return engine


@cache
def mathml(latex: str, display: bool) -> str:
    """A formula as a ``<math>`` element.

    Args:
        latex: Without the dollar signs.
        display: On lines of its own, else within the text.

    Raises:
        ValueError: Temml does not understand the formula.
    """
    options = json.dumps({"displayMode": display, "throwOnError": True, "wrap": "none"})
    try:
        return str(_engine().eval(f"temml.renderToString({json.dumps(latex)}, {options})"))
    except JSEvalException as error:
        reason = str(error).split("ParseError: ")[-1].splitlines()[0]
        raise ValueError(f"not a formula that can be shown: {latex!r}: {reason}") from None


def _lines(latex: str) -> str:
    """A formula of several lines, whose lines are aligned if nothing else is asked for."""
    if r"\\" not in latex or r"\begin" in latex:
        return latex
    return rf"\begin{{aligned}}{latex}\end{{aligned}}"


def _shown(node: Any, display: bool) -> str:
    latex = _lines(node.astext().strip()) if display else node.astext().strip()
    try:
        return mathml(latex, display)
    except ValueError as error:
        logger.warning(str(error), location=node, type="mathml")
        return ""


def visit_inline(self: Any, node: nodes.math) -> None:
    self.body.append(f'<span class="math notranslate">{_shown(node, display=False)}</span>')
    raise nodes.SkipNode


def visit_display(self: Any, node: nodes.math_block) -> None:
    self.body.append(self.starttag(node, "div", CLASS="math notranslate"))
    if node.get("number"):
        self.body.append(f'<span class="eqno">({node["number"]})</span>')
    self.body.append(f"{_shown(node, display=True)}</div>\n")
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_display, None))
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
