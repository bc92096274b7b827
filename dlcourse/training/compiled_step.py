"""A whole training step as one compiled function: forward, backward and the optimizer's update.

The parameters of a group lie in one long vector, and so do their gradients and each thing that the
optimizer remembers. The update then takes as many operations for all parameters as for one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from dlcourse import ops
from dlcourse.autodiff import Tensor
from dlcourse.autodiff.node import leaves_of
from dlcourse.graphs import Symbol, gradients_of, placeholder
from dlcourse.graphs.compiler.writing import Compiled, compile
from dlcourse.graphs.graph import Graph
from dlcourse.graphs.symbol import record_symbols
from dlcourse.graphs.tracing import placeholder_like
from dlcourse.nn import Module, functional_call_with_buffers
from dlcourse.ops import Array
from dlcourse.optimizers import ElementwiseOptimizer


class CompiledStep:
    """One training step, ``step(*batch)``, as a function that returns the loss before the move.

    The parameters stay those of the model: their ``data`` are views of the long vector. So the
    model can be used between steps, and the optimizer's state dict is up to date. A Tensor of the
    model that is not the optimizer's is read in each step. The statistics that a module keeps, as
    batch normalisation does, are updated. Parameters that the loss does not depend on stay, as
    they do in a dynamic step, which finds no gradient for them.

    Args:
        model: The model; its first argument is the batch's first array.
        loss: Takes the model's result and the batch's other arrays, returns a scalar.
        optimizer: An optimizer of (some of) the model's parameters with an elementwise rule.
        examples: Arrays of the shapes and dtypes of a batch.

    Attributes:
        compiled: The function, with its source, plan and graph.

    Raises:
        TypeError: The optimizer has no elementwise rule (LBFGS), or a group has several dtypes.
        ValueError: A parameter of the optimizer is not the model's. In a step: the batch has other
            shapes or dtypes, or an option of the optimizer other than lr has changed.

    Source: torch.compile and jax.jit of a whole step; flat parameters as in
    torch.nn.utils.parameters_to_vector.
    """

    def __init__(
        self,
        model: Module,
        loss: Callable[..., Any],
        optimizer: ElementwiseOptimizer,
        *examples: Any,
    ) -> None:
        if not isinstance(optimizer, ElementwiseOptimizer):
            raise TypeError(
                f"compile_step: {type(optimizer).__name__} has no rule for each number by itself; "
                "use its dynamic step()"
            )
        self.model, self.optimizer = model, optimizer
        self.options = _options(optimizer)
        tensors = _tensors(model)
        names = {id(p): name for name, p in tensors.items()}
        if not all(id(p) in names for p in optimizer.parameters):
            raise ValueError("compile_step: a parameter of the optimizer is not the model's")
        forward = self._forward(loss, tensors, examples)
        used = _leaves(forward.outputs[0])
        places = zip(tensors.values(), forward.inputs[len(examples) :], strict=True)
        reached = {id(p) for p, symbol in places if id(symbol) in used}
        self.groups = []
        for i, options in enumerate(optimizer.param_groups):
            params = [p for p in options["params"] if id(p) in reached]
            if params:
                self.groups.append(_FlatGroup(i, optimizer, params))
        moved = {id(p) for group in self.groups for p in group.params}
        self.read = [name for name, p in tensors.items() if id(p) not in moved]
        self.compiled = self._compile(forward, tensors, len(examples))
        memory = iter(self.compiled.state)
        for group in self.groups:
            group.bind(memory)

    def _forward(
        self, loss: Callable[..., Any], tensors: Mapping[str, Tensor], examples: Sequence[Any]
    ) -> Graph:
        """From the batch and all Tensors of the model, the loss and the next statistics."""
        batch = [placeholder_like(x, f"batch{i}") for i, x in enumerate(examples)]
        values = {name: placeholder_like(p, name) for name, p in tensors.items()}
        with record_symbols() as nodes:
            y, statistics = functional_call_with_buffers(self.model, values, batch[0])
            outputs = [loss(y, *batch[1:]), *statistics.values()]
        self.updated = list(statistics)
        return Graph([*batch, *values.values()], outputs, "forward", nodes)

    def _compile(self, forward: Graph, tensors: Mapping[str, Tensor], count: int) -> Compiled:
        values = dict(zip(tensors, forward.inputs[count:], strict=True))
        symbol_of = {id(tensors[name]): x for name, x in values.items()}
        inputs: list[Symbol] = [*forward.inputs[:count], *(values[name] for name in self.read)]
        with record_symbols():
            for group in self.groups:
                inputs += [group.lr, group.t]
                for p, symbol in zip(group.params, group.unpacked(), strict=True):
                    symbol_of[id(p)] = symbol
            given = [symbol_of[id(p)] for p in tensors.values()]
            outputs = forward.run(*forward.inputs[:count], *given)
            donate = {}
            for group in self.groups:
                gradients = gradients_of(outputs[0], [symbol_of[id(p)] for p in group.params])
                for old, new in group.updated(gradients):
                    donate[len(outputs)] = len(inputs)
                    inputs.append(old)
                    outputs.append(new)
        return compile(Graph(inputs, outputs, "training_step"), donate=donate)

    def __call__(self, *batch: Any) -> Array:
        """Move the parameters by one step; the loss of ``batch`` before it, a 0-d array."""
        self._check_options()
        if not all(group.is_current() for group in self.groups):
            for group in self.groups:
                group.load()
        tensors = _tensors(self.model) if self.read else {}
        read = [tensors[name].data for name in self.read]
        scalars = [x for group in self.groups for x in group.scalars()]
        loss, *statistics = self.compiled(*batch, *read, *scalars)
        for group in self.groups:
            group.advance()
        for name, value in zip(self.updated, statistics, strict=True):
            tensors[name].copy_(value)
        return loss  # type: ignore[no-any-return]

    def _check_options(self) -> None:
        options = _options(self.optimizer)
        if options == self.options:
            return
        raise ValueError(
            "compile_step: the groups or options of the optimizer have changed since the step was "
            "compiled. Compile it again; lr alone may change from step to step."
        )


def _options(optimizer: ElementwiseOptimizer) -> list[tuple[Any, ...]]:
    """What a compiled step takes as given: of each group its options and how many parameters."""
    names = [name for name in optimizer.defaults if name != "lr"]
    return [
        (len(group["params"]), *[group[name] for name in names]) for group in optimizer.param_groups
    ]


def _leaves(loss: Any) -> set[int]:
    """The ids of the inputs that the loss depends on."""
    return set(map(id, leaves_of(loss))) if isinstance(loss, Symbol) else set()


def _tensors(model: Module) -> dict[str, Tensor]:
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def compile_step(
    model: Module, loss: Callable[..., Any], optimizer: ElementwiseOptimizer, *examples: Any
) -> CompiledStep:
    """Compile one training step; see CompiledStep for the arguments."""
    return CompiledStep(model, loss, optimizer, *examples)


class _FlatGroup:
    """The parameters of a group that are moved; they, and each slot of their state, in a vector."""

    def __init__(
        self, number: int, optimizer: ElementwiseOptimizer, params: Sequence[Tensor]
    ) -> None:
        self.optimizer = optimizer
        self.options = optimizer.param_groups[number]
        self.params = params
        dtypes = {p.dtype for p in self.params}
        if len(dtypes) != 1:
            raise TypeError(
                f"compile_step: expected one dtype in a group, got {sorted(map(str, dtypes))}"
            )
        (self.dtype,) = dtypes
        stops = np.cumsum([0, *(p.size for p in self.params)]).tolist()
        self.places = [slice(a, b) for a, b in pairwise(stops)]
        self.size = stops[-1]
        self.vector = placeholder((self.size,), self.dtype, f"parameters{number}")
        self.lr = placeholder((), self.dtype, f"lr{number}")
        self.t = placeholder((), self.dtype, f"t{number}")
        first = optimizer.initial_state(np.zeros(self.size, self.dtype), self.options)
        self.slots = {
            name: placeholder(slot.shape, slot.dtype, f"{name}{number}")
            for name, slot in first.items()
        }

    # --- The graph --------------------------------------------------------------------------------

    def unpacked(self) -> list[Symbol]:
        """Each parameter, a view of the vector."""
        return [
            self.vector[place].reshape(p.shape)
            for p, place in zip(self.params, self.places, strict=True)
        ]

    def updated(self, gradients: Sequence[Any]) -> list[tuple[Symbol, Any]]:
        """The vector and each slot, and what becomes of it."""
        g = ops.concatenate([ops.reshape(g, shape=(math.prod(g.shape),)) for g in gradients])
        options = {**self.options, "lr": self.lr}
        delta, new = self.optimizer.update(self.vector, g, self.slots, self.t, options)
        return [(self.vector, self.vector - delta)] + [
            (old, new[name]) for name, old in self.slots.items()
        ]

    # --- The memory -------------------------------------------------------------------------------

    def bind(self, memory: Iterator[Array]) -> None:
        """Take the vectors of the compiled function for the parameters and their state."""
        vector = next(memory)
        slots = {name: next(memory) for name in self.slots}
        # For each parameter its place in each vector.
        self.data = [self._place(vector, i) for i in range(len(self.params))]
        self.memory = [
            {name: self._place(slot, i) for name, slot in slots.items()}
            for i in range(len(self.params))
        ]
        self.load()

    def _place(self, vector: Array, i: int) -> Array:
        return vector if vector.ndim == 0 else vector[self.places[i]].reshape(self.params[i].shape)

    def load(self) -> None:
        """Copy the parameters and the optimizer's state into the vectors; make them views there."""
        for p, place in zip(self.params, self.data, strict=True):
            if p.data is not place:
                place[...] = p.data
                p.data = place
        steps = set()
        for p, slots in zip(self.params, self.memory, strict=True):
            state = self.optimizer.state.get(p)
            if state is None:
                state = {"step": 0, **self.optimizer.initial_state(p.data, self.options)}
                self.optimizer.state[p] = state
            steps.add(state["step"])
            for name, place in slots.items():
                place[...] = state[name]
                state[name] = place
        if len(steps) > 1:
            raise ValueError(
                f"compile_step: expected parameters that moved equally often, got {steps} steps"
            )
        (self.steps,) = steps

    def is_current(self) -> bool:
        """Whether the parameters and the optimizer's state are those of the vectors."""
        for p, place, slots in zip(self.params, self.data, self.memory, strict=True):
            state = self.optimizer.state.get(p)
            if p.data is not place or state is None or state["step"] != self.steps:
                return False
            if any(state[name] is not slot for name, slot in slots.items()):
                return False
        return True

    def scalars(self) -> tuple[Array, Array]:
        """The learning rate and the number of the next step."""
        return np.asarray(self.options["lr"], self.dtype), np.asarray(self.steps + 1, self.dtype)

    def advance(self) -> None:
        """Count a step."""
        self.steps += 1
        for p in self.params:
            self.optimizer.state[p]["step"] = self.steps
