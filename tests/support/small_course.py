# ruff: noqa: E501 (a cell's metadata stands on one line)
"""A course with one small assignment, and ways to hand something in for it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

import nbformat
from nbformat import NotebookNode

from dlcourse.grading.assignments.assignment import Assignment, grade_id, load_assignment

NAME = "01-squares"

NOTEBOOK = """\
---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

# Squares

```{code-cell} ipython3
---
nbgrader: {grade: false, grade_id: imports, locked: true, schema_version: 3, solution: false, task: false}
---
import numpy as np
```

```{code-cell} ipython3
---
nbgrader: {grade: false, grade_id: square-answer, locked: false, schema_version: 3, solution: true, task: false}
---
def square(x):
    ### BEGIN SOLUTION
    return x * x
    ### END SOLUTION
```

```{code-cell} ipython3
---
nbgrader: {grade: true, grade_id: square, locked: true, points: 3, schema_version: 3, solution: false, task: false}
---
assert square(2) == 4, "the square of 2 is 4"
```

```{code-cell} ipython3
---
nbgrader: {grade: false, grade_id: cube-answer, locked: false, schema_version: 3, solution: true, task: false}
---
def cube(x):
    ### BEGIN SOLUTION
    return x * x * x
    ### END SOLUTION
```

```{code-cell} ipython3
---
nbgrader: {grade: true, grade_id: cube, locked: true, points: 2, schema_version: 3, solution: false, task: false}
---
assert cube(2) == 8, "the cube of 2 is 8"
```

+++ {"nbgrader": {"grade": true, "grade_id": "essay", "locked": false, "points": 5, "schema_version": 3, "solution": true, "task": false}}

Squares are never negative.
"""

CHECKS = """\
def numbers(ns, rng):
    return [ns["square"](x) for x in rng.normal(size=5)]


def arrays(ns, rng):
    return ns["square"](rng.normal(size=(2, 3)))


def cubes(ns, rng):
    return [ns["cube"](x) for x in rng.normal(size=5)]


CHECKS = [
    ("square", numbers, 2, "The square of a number is the number times itself."),
    ("square", arrays, 1, "An array is squared number by number."),
    ("cube", cubes, 2, "The cube of a number is the number times its square."),
]
"""

RIGHT = {
    "square-answer": "def square(x):\n    return x**2",
    "cube-answer": "def cube(x):\n    return x * square(x)",
    "essay": "Because a minus times a minus is a plus.",
}


def make_course(root: Path, notebook: str = NOTEBOOK, checks: str = CHECKS) -> Path:
    """Write the sources of the course; returns its folder."""
    folder = root / "solutions" / NAME
    folder.mkdir(parents=True)
    (folder / f"{NAME}.md").write_text(notebook)
    (folder / "checks.py").write_text(checks)
    return root


def assignment_of(course: Path) -> Assignment:
    return load_assignment(course / "solutions" / NAME)


def answered(assignment: Assignment, answers: Mapping[str, str]) -> NotebookNode:
    """The release with these texts in its cells."""
    notebook = nbformat.reads(nbformat.writes(assignment.release), as_version=4)
    for cell in notebook.cells:
        cell.source = answers.get(grade_id(cell) or "", cell.source)
    return notebook


def hand_in(submissions: Path, student: str, notebook: NotebookNode | str) -> Path:
    """Put a notebook, or any text, where nbgrader looks for it; returns the file."""
    path = submissions / student / NAME / f"{NAME}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(notebook if isinstance(notebook, str) else nbformat.writes(notebook))
    return path


def code(text: str) -> str:
    return dedent(text).strip()
