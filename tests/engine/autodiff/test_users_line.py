"""An error names the line of the user's program, wherever in the package it arises."""

from __future__ import annotations

import linecache
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dlcourse as dl
from dlcourse import Tensor, detect_anomaly, no_grad
from dlcourse.autodiff import checkpoint, grad
from dlcourse.nn import Linear, Module, ReLU, Sequential

pytestmark = pytest.mark.quotes_the_users_line
x = Tensor(np.zeros((2, 3)), requires_grad=True)
model = Sequential(Linear(3, 4), ReLU(), Linear(5, 1))


class OwnModule(Module):
    """Like one that a user writes."""

    def forward(self, x: Any) -> Any:
        return x @ Tensor(np.zeros((4, 4)))  # line of the layer


def twice() -> None:
    y = x.exp().sum()
    y.backward()
    y.backward()  # line of the second


def overwritten() -> None:
    w = Tensor([1.0, 2.0], requires_grad=True)
    y = (w * w).sum()
    with no_grad():
        w -= 0.5  # line of the change
    y.backward()


@no_grad()
def decorated() -> None:
    x + Tensor(np.zeros(4))  # line inside the decorated


FAILURES = {
    "an operator": (lambda: x + Tensor(np.zeros(4)), "x + Tensor(np.zeros(4))"),
    "a function": (lambda: dl.matmul(x, x), "dl.matmul(x, x)"),
    "a layer of the package": (lambda: model(x), "model(x)"),
    "a layer of the user": (lambda: Sequential(OwnModule())(x), "# line of the layer"),
    "a transform": (lambda: grad(lambda v: (v @ v).sum())(x), "grad(lambda v: (v @ v).sum())(x)"),
    "a checkpoint": (lambda: checkpoint(lambda v: v.reshape(7), x), "v.reshape(7)"),
    "a decorated function": (decorated, "# line inside the decorated"),
    "a decorated operation": (lambda: no_grad()(dl.matmul)(x, x), "no_grad()(dl.matmul)(x, x)"),
    "backward twice": (twice, "# line of the second"),
    "no scalar": (lambda: (x * 2).backward(), "(x * 2).backward()"),
    "no graph": (lambda: Tensor(1.0).backward(), "Tensor(1.0).backward()"),
    "a seed": (lambda: (x * 2).backward([1.0]), "(x * 2).backward([1.0])"),
    "overwritten": (overwritten, "# line of the change"),
    "a leaf in place": (lambda: x.zero_(), "x.zero_()"),
    "a shape in place": (
        lambda: Tensor([1.0, 2.0]).copy_([1.0, 2.0, 3.0]),
        "Tensor([1.0, 2.0]).copy_([1.0, 2.0, 3.0])",
    ),
    "a hook": (lambda: Tensor(1.0).register_hook(print), "register_hook(print)"),
}


@pytest.mark.parametrize(("action", "line"), FAILURES.values(), ids=FAILURES)
def test_the_error_names_the_line_of_the_program(action: Any, line: str) -> None:
    with pytest.raises((RuntimeError, ValueError)) as caught:
        action()
    (named,) = [part for part in str(caught.value).split("\n") if "test_users_line.py:" in part]
    assert line in named


@pytest.mark.parametrize("file", ["/tmp/ipykernel_7/12345.py", "<ipython-input-3-abc>"])
def test_in_a_notebook_it_is_the_line_of_the_cell(file: str) -> None:
    cell = "a = 1\nb = model(x)\n"
    linecache.cache[file] = (len(cell), None, cell.splitlines(keepends=True), file)
    with pytest.raises(ValueError, match=r"at line 2 of the cell: b = model\(x\)"):
        exec(compile(cell, file, "exec"), {"model": model, "x": x, "__name__": "__main__"})


SCRIPT = """\
import numpy as np
from dlcourse import Tensor

def loss(x):
    return x @ x  # here

loss(Tensor(np.zeros((2, 3))))
"""


def test_in_a_script_it_is_file_and_line(tmp_path: Path) -> None:
    file = tmp_path / "program.py"
    file.write_text(SCRIPT)
    run = subprocess.run(
        [sys.executable, str(file)],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(Path(dl.__file__).parents[1])},
    )
    assert "at program.py:5: return x @ x  # here" in run.stderr


# --- Anomaly mode ---------------------------------------------------------------------------------


def nan_forward() -> None:
    h = x + 1.0
    dl.log(h - 2.0) * 3.0  # line of the log


def nan_backward() -> None:
    h = dl.sqrt(x)  # line of the root
    (h * 0.0).sum().backward()


def nan_inside_a_layer() -> None:
    bad = Linear(3, 4)
    with no_grad():
        bad.weight.copy_(np.inf)
    bad(x * 0.0)  # line of the layer


def nan_in_a_recorded_sweep() -> None:
    h = dl.sqrt(x)  # line of the second root
    (h * 0.0).sum().backward(create_graph=True)


@pytest.mark.parametrize(
    ("program", "operation", "line"),
    [
        (nan_forward, "log: the result has a NaN", "# line of the log"),
        (nan_backward, "sqrt: its derivative has a NaN", "# line of the root"),
        (nan_inside_a_layer, "linear: the result has a NaN", "# line of the layer"),
        (nan_in_a_recorded_sweep, "sqrt: its derivative has a NaN", "# line of the second root"),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_anomaly_mode_names_operation_and_line(program: Any, operation: str, line: str) -> None:
    with detect_anomaly(), pytest.raises(FloatingPointError) as caught:
        program()
    assert operation in str(caught.value)
    assert line in str(caught.value)
    program()  # outside the context nothing is raised


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_anomaly_mode_blames_no_operation_that_was_given_a_nan() -> None:
    y = Tensor([np.nan, 1.0], requires_grad=True)
    with detect_anomaly():
        (y * 2.0).sum().backward()
    assert y.grad is not None


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_an_operation_from_outside_the_context_is_named_without_a_line() -> None:
    h = (dl.sqrt(x) * 0.0).sum()
    with detect_anomaly(), pytest.raises(FloatingPointError, match="outside detect_anomaly"):
        h.backward()
