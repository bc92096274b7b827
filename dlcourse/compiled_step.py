"""A whole training step as one compiled function: forward, backward and the optimizer's update.

The parameters of a group lie in one long vector, and so do their gradients and each thing that the
optimizer remembers. The update then takes as many operations for all parameters as for one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dlcourse import ops
from dlcourse.autodiff import Tensor
from dlcourse.graphs import Symbol, gradients_of, placeholder
from dlcourse.graphs.compiling import Compiled, compile
from dlcourse.graphs.graph import Graph
from dlcourse.graphs.symbol import record_symbols
from dlcourse.graphs.tracing import placeholder_like
from dlcourse.nn import Module, functional_call
from dlcourse.ops import Array
from dlcourse.optimizers import ElementwiseOptimizer


class CompiledStep:
    """One training step, ``step(*batch)``, as a function that returns the loss before the move.

    The parameters stay those of the model: their ``data`` are views of the long vector. So the
    model can be used between steps, and the optimizer's state dict is up to date.

    Args:
        model: The model; its first argument is the batch's first array.
        loss: Takes the model's result and the batch's other arrays, returns a scalar.
        optimizer: An optimizer of (some of) the model's parameters with an elementwise rule.
        examples: Arrays of the shapes and dtypes of a batch.

    Attributes:
        compiled: The function, with its source, plan and graph.

    Raises:
        TypeError: The optimizer has no elementwise rule (LBFGS), or a group has several dtypes.
        ValueError: A parameter of the optimizer is not the model's.

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
        self.optimizer = optimizer
        self.groups = [_FlatGroup(i, optimizer) for i in range(len(optimizer.param_groups))]
        self.compiled = self._compile(model, loss, examples)
        memory = iter(self.compiled.state)
        for group in self.groups:
            group.bind(memory)
        self._state = optimizer.state

    def _compile(
        self, model: Module, loss: Callable[..., Any], examples: Sequence[Any]
    ) -> Compiled:
        names = {id(p): name for name, p in model.named_parameters()}
        batch = [placeholder_like(x, f"batch{i}") for i, x in enumerate(examples)]
        inputs: list[Symbol] = list(batch)
        outputs: list[Any] = []
        with record_symbols():
            values: dict[str, Any] = {}
            for group in self.groups:
                for p, symbol in zip(group.params, group.unpacked(), strict=True):
                    if id(p) not in names:
                        raise ValueError(
                            "compile_step: a parameter of the optimizer is not the model's"
                        )
                    values[names[id(p)]] = symbol
            result = loss(functional_call(model, values, batch[0]), *batch[1:])
            outputs.append(result)
            donate = {}
            for group in self.groups:
                inputs += [group.lr, group.t]
            for group in self.groups:
                gradients = gradients_of(result, [values[names[id(p)]] for p in group.params])
                for old, new in group.updated(gradients):
                    donate[len(outputs)] = len(inputs)
                    inputs.append(old)
                    outputs.append(new)
        return compile(Graph(inputs, outputs, "training_step"), donate=donate)

    def __call__(self, *batch: Any) -> Array:
        """Move the parameters by one step; the loss of ``batch`` before it, a 0-d array."""
        if self.optimizer.state is not self._state or not all(g.is_current() for g in self.groups):
            for group in self.groups:
                group.load()
            self._state = self.optimizer.state
        scalars = [x for group in self.groups for x in group.advance()]
        loss: Array = self.compiled(*batch, *scalars)[0]
        return loss


def compile_step(
    model: Module, loss: Callable[..., Any], optimizer: ElementwiseOptimizer, *examples: Any
) -> CompiledStep:
    """Compile one training step; see CompiledStep for the arguments."""
    return CompiledStep(model, loss, optimizer, *examples)


class _FlatGroup:
    """A parameter group whose parameters, and each slot of its state, lie in one vector."""

    def __init__(self, number: int, optimizer: ElementwiseOptimizer) -> None:
        self.optimizer = optimizer
        self.options = optimizer.param_groups[number]
        self.params: list[Tensor] = self.options["params"]
        dtypes = {p.dtype for p in self.params}
        if len(dtypes) != 1:
            raise TypeError(
                f"compile_step: expected one dtype in a group, got {sorted(map(str, dtypes))}"
            )
        (self.dtype,) = dtypes
        stops = np.cumsum([p.size for p in self.params]).tolist()
        self.places = [slice(a, b) for a, b in zip([0, *stops[:-1]], stops, strict=True)]
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

    def bind(self, memory: Any) -> None:
        """Take the vectors of the compiled function for the parameters and their state."""
        self.data: Array = next(memory)
        self.memory = {name: next(memory) for name in self.slots}
        for p, place in zip(self.params, self.places, strict=True):
            view = self.data[place].reshape(p.shape)
            view[...] = p.data
            p.data = view
        self.load()

    def load(self) -> None:
        """Copy the optimizer's state into the vectors, and make it views of them."""
        steps = set()
        for p, place in zip(self.params, self.places, strict=True):
            state = self.optimizer.state.get(p)
            if state is None:
                state = {"step": 0, **self.optimizer.initial_state(p.data, self.options)}
                self.optimizer.state[p] = state
            steps.add(state["step"])
            for name, vector in self.memory.items():
                whole = vector if vector.ndim == 0 else vector[place].reshape(p.shape)
                whole[...] = state[name]
                state[name] = whole
        if len(steps) > 1:
            raise ValueError(
                f"compile_step: expected parameters that moved equally often, got {steps} steps"
            )
        (self.steps,) = steps

    def is_current(self) -> bool:
        """Whether the optimizer's state is still that of the vectors."""
        return bool(self.optimizer.state[self.params[0]]["step"] == self.steps)

    def advance(self) -> tuple[Array, Array]:
        """Count a step; the learning rate and the number of the step."""
        self.steps += 1
        for p in self.params:
            self.optimizer.state[p]["step"] = self.steps
        return np.asarray(self.options["lr"], self.dtype), np.asarray(self.steps, self.dtype)
