"""What happens in a sweep, step by step, as data: the engine's own sweep, written down.

The numbers of the reverse sweep are those of a `Derivation`, which come from `reverse_sweep` and
`sent_back`; those of forward mode come from `jvp`, one operation at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dlcourse.autodiff import Tensor, jvp, raw_value
from dlcourse.graphs.symbol import type_text
from dlcourse.ops import Array
from dlcourse.views.derivation.layout import LARGEST, value_text
from dlcourse.views.derivation.records import Contribution, Step
from dlcourse.views.derivation.rule_formulas import tangent_formula
from dlcourse.views.derivation.steps import Derivation, atom
from dlcourse.views.figures import history, operands


@dataclass(frozen=True)
class Sent:
    """What goes back along an edge of the drawing.

    Attributes:
        edge: The position of the edge.
        node: The position of the node that receives it.
        value: What is sent.
        total: What the node has received so far, this included.
    """

    edge: int
    node: int
    value: Array
    total: Array


@dataclass(frozen=True)
class Scene:
    """One step of a sweep.

    Attributes:
        node: The position of the node whose turn it is.
        title: What happens, in a few words or as a formula.
        value: The number or array that the node has now: its value, gradient or tangent.
        sentences: What a teacher would say; code stands in backticks.
        sent: What goes back along the edges.
        frees: Whether the graph lets go of the node's value.
    """

    node: int
    title: str
    value: Array
    sentences: tuple[str, ...] = ()
    sent: tuple[Sent, ...] = ()
    frees: bool = False


class Cast:
    """Who plays: the nodes and edges of the drawing of a derivation, by name and by id."""

    def __init__(self, derivation: Derivation) -> None:
        self.derivation = derivation
        self.graph = history(derivation.root)
        self.position = {id(x): i for i, x in enumerate(self.graph)}
        self.edge = {(id(y), place): j for j, (y, place, _) in enumerate(operands(self.graph))}
        names = derivation.names
        self.by_name: dict[str, Any] = {names[id(x)]: x for x in self.graph if id(x) in names}

    @property
    def root(self) -> str:
        """The name of what is differentiated."""
        return self.derivation.names[id(self.derivation.root)]

    def node(self, name: str) -> int:
        return self.position[id(self.by_name[name])]


def shown(value: Array) -> str:
    """A small array in full, the type of a larger one."""
    return value_text(value) if value.size <= LARGEST else f"an array {type_text(value)}"


# --- Forward: the values ------------------------------------------------------------------------


def value_scenes(cast: Cast) -> tuple[Scene, ...]:
    """The values as the program computed them."""
    scenes = []
    for v in cast.derivation.values:
        title = v.name if v.formula is None else f"{v.name} = {v.formula.text}"
        role = {
            "variable": "is a variable: its gradient is wanted",
            "constant": "is a constant: no gradient goes there",
            "operation": "is computed, and the graph remembers from what",
        }[v.kind]
        said = f"`{v.name}` {role}. Its value is {shown(v.value)}."
        scenes.append(Scene(cast.node(v.name), title, v.value, (said,)))
    return tuple(scenes)


# --- Backward: the gradients --------------------------------------------------------------------


def gradient_scenes(cast: Cast) -> tuple[Scene, ...]:
    """The reverse sweep: the start, a scene for each operation, one for each variable."""
    derivation, root = cast.derivation, cast.root
    start = f"`{root}_bar`, the derivative of `{root}` with respect to itself, is 1."
    if derivation.seed.size != 1:
        start = f"The sweep starts from the gradient that was given for `{root}`."
    return (
        Scene(cast.node(root), f"{root}_bar = {shown(derivation.seed)}", derivation.seed, (start,)),
        *(_step_scene(cast, step) for step in derivation.steps),
        *(
            Scene(
                cast.node(name),
                f"{name}.grad = {shown(g)}",
                g,
                (f"All that use `{name}` have sent their parts. Their sum is its gradient.",),
            )
            for name, g in derivation.gradients.items()
        ),
    )


def _step_scene(cast: Cast, step: Step) -> Scene:
    y = cast.by_name[step.name]
    said = [f"In comes `{step.name}_bar` = {shown(step.gradient)}; nothing can be added any more."]
    said += [sentence for c in step.contributions for sentence in _contribution(cast, c)]
    is_root = y is cast.derivation.root  # whoever started the sweep holds it
    said.append(
        f"The graph forgets how `{step.name}` was made"
        + ("" if is_root else f", and lets go of its value ({y.data.nbytes} bytes)")
        + "; with `retain_graph=True` it would not."
    )
    sent = tuple(
        Sent(cast.edge[id(y), c.place], cast.node(c.target), c.value, c.total)
        for c in step.contributions
    )
    title = f"{step.name} = {step.formula.text}"
    return Scene(cast.node(step.name), title, step.gradient, tuple(said), sent, not is_root)


def _contribution(cast: Cast, c: Contribution) -> list[str]:
    if c.is_first:
        said = [f"To `{c.target}` goes `{c.rule.text}` = {shown(c.value)}, the first to arrive."]
    else:
        said = [
            f"To `{c.target}` goes `{c.rule.text}` = {shown(c.value)}. It is added to what is "
            f"there; the sum is now {shown(c.total)}."
        ]
    if c.stretched is not None:
        shape = cast.by_name[c.target].shape
        said.append(
            f"On the way forward `{c.target}` was broadcast from {shape} to {c.stretched}. One "
            "number was used many times, so what its copies receive is summed."
        )
    return said


# --- Forward mode: the tangents -----------------------------------------------------------------


def tangent_scenes(cast: Cast, tangents: Mapping[str, Any] | None) -> tuple[Scene, ...]:
    """Forward mode: how fast each value changes if the variables move as ``tangents`` says.

    Args:
        cast: Of the derivation.
        tangents: By name, of the shape of the variable; those left out do not move. By default the
            first variable moves, all of its elements at the rate 1.

    Raises:
        ValueError: A name is that of no variable, or a tangent has another shape than it.
    """
    given = _directions(cast, tangents)
    names = cast.derivation.names
    formulas = {id(x): atom(x, names) for x in cast.graph}
    moves: dict[int, Array] = {}
    scenes = []
    for v in cast.derivation.values:
        x = cast.by_name[v.name]
        if v.name in given:
            moves[id(x)] = given[v.name]
            how = "moves at the rate" if np.any(given[v.name]) else "stands still:"
            title = f"{v.name}_dot = {shown(given[v.name])}"
            said = f"`{v.name}` {how} {shown(given[v.name])}."
        elif v.kind == "operation":
            moves[id(x)] = _pushed(x, moves)
            title = f"{v.name}_dot = {tangent_formula(x, formulas, names)}"
            said = (
                f"`{v.name}` = {shown(v.value)} changes at the rate {shown(moves[id(x)])}: the "
                "rates of its operands, each times the local derivative, added up."
            )
        else:
            continue
        scenes.append(Scene(cast.node(v.name), title, moves[id(x)], (said,)))
    return tuple(scenes)


def _directions(cast: Cast, tangents: Mapping[str, Any] | None) -> dict[str, Array]:
    variables = {v.name: v.value for v in cast.derivation.values if v.kind == "variable"}
    if tangents is None:
        first = next(iter(variables))
        tangents = {first: np.ones_like(variables[first])}
    if unknown := sorted(tangents.keys() - variables.keys()):
        raise ValueError(
            f"play: expected tangents of {', '.join(variables)}; got one of {', '.join(unknown)}"
        )
    given = {}
    for name, value in variables.items():
        given[name] = np.asarray(raw_value(tangents.get(name, np.zeros_like(value))), value.dtype)
        if given[name].shape != value.shape:
            raise ValueError(
                f"play: expected a tangent of shape {value.shape} for {name}, got "
                f"{given[name].shape}"
            )
    return given


def _pushed(y: Tensor, moves: Mapping[int, Array]) -> Array:
    """The tangent of one operation's result, from those of its operands."""
    assert y.op is not None
    operation: Callable[..., Any] = y.op
    variadic = y.op.each is not None
    arguments: Sequence[Any] = y.operands
    moving = [i for i, x in enumerate(arguments) if id(x) in moves]

    def of_moving(*values: Any) -> Any:
        given = [raw_value(x) for x in arguments]
        for i, value in zip(moving, values, strict=True):
            given[i] = value
        return operation(given, **y.parameters) if variadic else operation(*given, **y.parameters)

    primals = [raw_value(arguments[i]) for i in moving]
    _, tangent = jvp(of_moving, primals, [moves[id(arguments[i])] for i in moving])
    return np.asarray(raw_value(tangent))
