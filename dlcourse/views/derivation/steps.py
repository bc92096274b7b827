"""The steps of a derivation: the values on the way forward, the contributions on the way back."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from dlcourse.autodiff import Tensor, raw_value
from dlcourse.autodiff.sweep import reverse_sweep, sent_back
from dlcourse.graphs import Graph, Symbol, placeholder
from dlcourse.graphs.show.graphviz import Direction, GraphDrawing
from dlcourse.ops import Array
from dlcourse.ops.trees import flatten, unflatten
from dlcourse.views.derivation import layout
from dlcourse.views.derivation.formulas import (
    Formula,
    name_formula,
    number_formula,
    operation_formula,
)
from dlcourse.views.derivation.records import Contribution, ForwardValue, Record, Step
from dlcourse.views.derivation.rule_formulas import rule_formulas
from dlcourse.views.figures import draw_graph, history


class Derivation(Record):
    """All steps from an expression to its gradients; it prints as text, Jupyter shows LaTeX.

    Attributes:
        root: The Tensor that is differentiated.
        names: Every value's name, by the id of the Tensor.
        values: The values, in the order of their computation.
        seed: The gradient that the sweep starts from.
        steps: The operations, in the order of the sweep.
        gradients: The gradient of each variable, by its name.
    """

    def __str__(self) -> str:
        return self.text()

    def _repr_latex_(self) -> str:
        return f"$$\n{self.latex()}\n$$"

    def text(self) -> str:
        """A table of the values and one of the contributions, as plain text."""
        return layout.text(self)

    def latex(self) -> str:
        """The same as an aligned environment of LaTeX."""
        return layout.latex(self)

    def tape(self, direction: Direction = "TB") -> GraphDrawing:
        """The dynamic graph as a picture, with the gradients if the root is a scalar."""
        tensors = [x for x in history(self.root) if isinstance(x, Tensor)]
        called = {self.names[id(x)]: x for x in tensors if id(x) in self.names}
        is_scalar = self.root.size == 1
        return draw_graph(self.root, called, gradients=is_scalar, direction=direction)

    def graph(self, name: str = "function") -> Graph:
        """The same expression as a static graph of the variables.

        It can be drawn (`dlcourse.graphs.draw`), differentiated and planned
        (`dlcourse.graphs.plan`, `dlcourse.views.memory.draw_memory`).
        """
        known: dict[int, Any] = {}
        inputs = []
        for x in _in_order(self.root):
            if not isinstance(x, Tensor) or not x.requires_grad:
                known[id(x)] = raw_value(x)
            elif x.op is None:
                known[id(x)] = placeholder(x.shape, x.dtype, self.names[id(x)])
                inputs.append(known[id(x)])
            else:
                operands = tuple(known[id(v)] for v in x.operands)
                known[id(x)] = Symbol(
                    x.shape, x.dtype, op=x.op, inputs=operands, parameters=x.parameters
                )
        return Graph(inputs, [known[id(self.root)]], name)


def derive(
    expression: Tensor | Callable[..., Tensor],
    *arguments: Any,
    names: Mapping[str, Any] | None = None,
    gradient: Any = None,
) -> Derivation:
    """Every step of the reverse sweep through an expression, with its rule and its numbers.

    Args:
        expression: A Tensor that requires a gradient and whose graph was not freed; or a function
            of ``arguments`` that returns one.
        arguments: Floats and arrays of floats become variables named after the function's
            parameters, also in lists, tuples and dicts; anything else is passed on.
        names: What to call Tensors of the graph, as in ``dict(x=x, loss=loss)``.
        gradient: Where the sweep starts, of the shape of the value; ones by default, if the value
            has one element.

    Raises:
        TypeError: The expression is neither a Tensor nor a function that returns one.
        ValueError: It does not depend on a variable; it is no scalar and gradient is missing or of
            another shape.
        RuntimeError: The graph was freed by an earlier ``backward``.
    """
    called = {id(x): name for name, x in (names or {}).items()}
    root: Any = expression
    variables: list[Any] = []  # kept until the end, since names are by id
    if not isinstance(expression, Tensor):
        if not callable(expression):
            raise TypeError(
                f"derive: expected a Tensor or a function, got {type(expression).__name__}"
            )
        given, variables = _variables(expression, arguments)
        called = {id(x): name for name, x in variables} | called
        root = expression(*given)
    if not isinstance(root, Tensor):
        raise TypeError(
            f"derive: expected a function that returns a Tensor, got {type(root).__name__}"
        )
    if not root.requires_grad:
        raise ValueError("derive: the value depends on no tensor that requires a gradient")
    seed = _seed(root, gradient)
    names_by_id = _all_names(root, called)
    formulas = {id(x): atom(x, names_by_id) for x in _in_order(root)}
    steps, gradients = _backward(root, seed, names_by_id, formulas)
    return Derivation(
        root, names_by_id, _forward(root, names_by_id, formulas), seed, steps, gradients
    )


def _variables(function: Any, arguments: tuple[Any, ...]) -> tuple[Any, list[tuple[str, Tensor]]]:
    """The arguments with Tensors in place of floats, and these Tensors with their names."""
    given = inspect.signature(function).bind(*arguments)
    leaves, structure = flatten(tuple(given.arguments.values()), list(given.arguments))
    values: list[Any] = []
    for _, x in leaves:
        is_float = np.asarray(raw_value(x)).dtype.kind == "f"
        values.append(Tensor(x, True) if is_float and not isinstance(x, Tensor) else x)
    named = [(n, v) for (n, _), v in zip(leaves, values, strict=True) if isinstance(v, Tensor)]
    given.arguments.update(zip(given.arguments, unflatten(structure, values), strict=True))
    return given.args, named


def _seed(root: Tensor, gradient: Any) -> Array:
    if gradient is None:
        if root.size != 1:
            raise ValueError(
                f"derive: expected a scalar to differentiate, got shape {root.shape}. "
                "Reduce it, or pass gradient= of that shape."
            )
        return np.ones_like(root.data)
    seed = np.asarray(raw_value(gradient), root.dtype)
    if seed.shape != root.shape:
        raise ValueError(f"derive: expected a gradient of shape {root.shape}, got {seed.shape}")
    return seed


def _in_order(root: Tensor) -> list[Any]:
    """All that the root is computed from: leaves and constants first, then results as created."""
    found = history(root)
    is_result = {id(x): isinstance(x, Tensor) and x.op is not None for x in found}
    results = [x for x in found if is_result[id(x)]]
    return [x for x in found if not is_result[id(x)]] + sorted(results, key=lambda x: x.created)


def _all_names(root: Tensor, called: Mapping[int, str]) -> dict[int, str]:
    """The names that were given; x1, ... for other variables, c1, ... for constants, v1, ..."""
    names: dict[int, str] = {}
    taken = set(called.values())
    counts = {"x": 0, "c": 0, "v": 0}
    for x in _in_order(root):
        is_tracked = isinstance(x, Tensor) and x.requires_grad
        if id(x) in called:
            names[id(x)] = called[id(x)]
        elif is_tracked or np.size(raw_value(x)) != 1:
            letter = "c" if not is_tracked else "x" if x.op is None else "v"
            while True:
                counts[letter] += 1
                names[id(x)] = f"{letter}{counts[letter]}"
                if names[id(x)] not in taken:
                    break
    return names


def atom(x: Any, names: Mapping[int, str]) -> Formula:
    """A value by its name; a number without a name as it is."""
    if id(x) in names:
        return name_formula(names[id(x)], np.size(raw_value(x)) == 1)
    return number_formula(raw_value(x))


def _forward(
    root: Tensor, names: Mapping[int, str], formulas: Mapping[int, Formula]
) -> tuple[ForwardValue, ...]:
    values = []
    for x in _in_order(root):
        if id(x) not in names:  # a number, which stands in the formulas
            continue
        value, name = np.asarray(raw_value(x)), names[id(x)]
        if isinstance(x, Tensor) and x.op is not None:
            operands = [formulas[id(v)] for v in x.operands]
            made = operation_formula(x.op, operands, x.parameters, x.size == 1)
            values.append(ForwardValue("operation", name, made, value))
        else:
            is_variable = isinstance(x, Tensor) and x.requires_grad
            values.append(
                ForwardValue("variable" if is_variable else "constant", name, None, value)
            )
    return tuple(values)


def _backward(
    root: Tensor, seed: Array, names: Mapping[int, str], formulas: Mapping[int, Formula]
) -> tuple[tuple[Step, ...], dict[str, Array]]:
    steps = []
    gradients: dict[str, Array] = {}
    total: dict[int, Array] = {}
    for node, g in reverse_sweep(root, seed.copy(), raw=True):
        if node.op is None:
            gradients[names[id(node)]] = np.array(g)
            continue
        rules = rule_formulas(node, names[id(node)], formulas)
        sent = []
        stretched: dict[int, tuple[int, ...]] = {}
        for place, part in sent_back(node, g, raw=True, stretched=stretched):
            x = node.inputs[place]
            before = total.get(id(x))
            total[id(x)] = part if before is None else before + part
            sent.append(
                Contribution(
                    place=place,
                    target=names[id(x)],
                    rule=rules[place],
                    value=part,
                    total=total[id(x)],
                    is_first=before is None,
                    stretched=stretched.get(place),
                )
            )
        operands = [formulas[id(v)] for v in node.inputs]
        made = operation_formula(node.op, operands, node.parameters, node.size == 1)
        steps.append(Step(names[id(node)], made, np.array(g), tuple(sent)))
    variables = [names[id(x)] for x in _in_order(root) if names.get(id(x)) in gradients]
    return tuple(steps), {name: gradients[name] for name in variables}
