"""Recurrent layers: one cell, applied to each element of a sequence and to its own last state.

Sequences are batch first, (N, T, features), as with ``batch_first=True`` in PyTorch. The names and
the order of gates in the weights are PyTorch's: layer k has ``weight_ih_lk``, ``weight_hh_lk``,
``bias_ih_lk`` and ``bias_hh_lk``, with the gates one below the other.

In a static graph the loop over time is unrolled.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, TypeAlias

import numpy as np

from dlcourse import ops
from dlcourse.nn.layers import check_sizes, uniform_parameter
from dlcourse.nn.module import Module, Value

State: TypeAlias = tuple[Value, ...]  # (h,), or (h, c); each (N, hidden_size)


class _Recurrent(Module):
    """What the recurrent layers share.

    Args:
        input_size: The number of features of an element of the sequence.
        hidden_size: H, the number of features of the state.
        num_layers: How many layers, each on the states of the one before.
        bias: Whether the cell has biases.
        rng: Where the initial values come from; uniform in +-1 / sqrt(H), as in PyTorch.
        dtype: Of all parameters.
    """

    gates: ClassVar[int]  # how many blocks of H rows the weights have
    states: ClassVar[int] = 1  # how many arrays the state has

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        check_sizes(self, input_size=input_size, hidden_size=hidden_size, num_layers=num_layers)
        rng = np.random.default_rng() if rng is None else rng
        self.input_size, self.hidden_size = input_size, hidden_size
        self.num_layers, self.has_bias = num_layers, bias
        rows = self.gates * hidden_size
        for k in range(num_layers):
            width = input_size if k == 0 else hidden_size
            shapes: list[tuple[str, tuple[int, ...]]] = [
                (f"weight_ih_l{k}", (rows, width)),
                (f"weight_hh_l{k}", (rows, hidden_size)),
            ]
            if bias:
                shapes += [(f"bias_ih_l{k}", (rows,)), (f"bias_hh_l{k}", (rows,))]
            for name, shape in shapes:
                setattr(self, name, uniform_parameter(rng, hidden_size**-0.5, shape, dtype))

    @abstractmethod
    def cell(self, x: Value, h: Value, state: State) -> State:
        """The next state.

        Args:
            x: weight_ih @ input + bias_ih, shape (N, gates * H).
            h: weight_hh @ hidden state + bias_hh, the same shape.
            state: The last state.
        """

    def run(self, x: Value, initial: State | None) -> tuple[Value, State]:
        """The hidden states of the last layer, (N, T, H), and the last states of all layers.

        Args:
            x: Shape (N, T, input_size), T >= 1.
            initial: Arrays of shape (num_layers, N, H), by default zeros.

        Raises:
            ValueError: The shapes do not fit.
        """
        state = self._initial(x, initial)
        sequence: list[Value] = [x[:, t] for t in range(x.shape[1])]
        last: list[State] = []
        for k in range(self.num_layers):
            now = tuple(part[k] for part in state)
            for t, element in enumerate(sequence):
                inner = self._affine("ih", k, element)
                now = self.cell(inner, self._affine("hh", k, now[0]), now)
                sequence[t] = now[0]
            last.append(now)
        return ops.stack(sequence, 1), tuple(
            ops.stack(parts, 0) for parts in zip(*last, strict=True)
        )

    def _affine(self, which: str, k: int, x: Value) -> Value:
        weight = getattr(self, f"weight_{which}_l{k}")
        if self.has_bias:
            return ops.linear(x, weight, getattr(self, f"bias_{which}_l{k}"))
        return ops.matmul(x, ops.transpose(weight))

    def _initial(self, x: Value, initial: State | None) -> State:
        name = type(self).__name__
        if len(x.shape) != 3 or x.shape[1] < 1 or x.shape[2] != self.input_size:
            raise ValueError(
                f"{name}: expected a batch of sequences (N, T, {self.input_size}) with T >= 1, "
                f"got shape {x.shape}"
            )
        shape = (self.num_layers, x.shape[0], self.hidden_size)
        if initial is None:
            return (np.zeros(shape, x.dtype),) * self.states
        if any(part.shape != shape for part in initial):
            raise ValueError(
                f"{name}: expected initial states of shape {shape}, got "
                f"{', '.join(str(part.shape) for part in initial)}"
            )
        return initial

    def gate(self, values: Value, i: int) -> Value:
        """Block number i of H columns."""
        return values[:, i * self.hidden_size : (i + 1) * self.hidden_size]


class RNN(_Recurrent):
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh).

    Args:
        input_size: The features of x.
        hidden_size: H, the features of the state.
        nonlinearity: "tanh" or "relu".
        options: Those that every recurrent layer has: ``num_layers``, one upon the other; ``bias``,
            whether there are b_ih and b_hh; ``rng``, where the initial values come from; ``dtype``.

    Called with x (N, T, input_size) and, if given, h (num_layers, N, H), it returns the states of
    the last layer (N, T, H) and the last state of each layer (num_layers, N, H).

    Source: Elman (1990), Finding structure in time; torch.nn.RNN with batch_first=True.
    """

    gates = 1

    def __init__(
        self, input_size: int, hidden_size: int, nonlinearity: str = "tanh", **options: Any
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f'RNN: expected nonlinearity="tanh" or "relu", got {nonlinearity!r}')
        super().__init__(input_size, hidden_size, **options)
        self.nonlinearity = nonlinearity

    def cell(self, x: Value, h: Value, state: State) -> State:  # noqa: ARG002 (h has it all)
        function = ops.tanh if self.nonlinearity == "tanh" else ops.relu
        return (function(x + h),)

    def forward(self, x: Value, h: Value | None = None) -> tuple[Value, Value]:
        y, (last,) = self.run(x, None if h is None else (h,))
        return y, last


class GRU(_Recurrent):
    """A gated recurrent unit.

        r = sigmoid(W_ir x + b_ir + W_hr h + b_hr)           reset
        z = sigmoid(W_iz x + b_iz + W_hz h + b_hz)           update
        n = tanh(W_in x + b_in + r * (W_hn h + b_hn))        new
        h' = (1 - z) * n + z * h

    Called with x (N, T, input_size) and, if given, h (num_layers, N, H), it returns the states of
    the last layer (N, T, H) and the last state of each layer (num_layers, N, H). The weights have
    the gates r, z, n in this order; the arguments are those of RNN.

    Source: Cho et al. (2014), https://arxiv.org/abs/1406.1078; torch.nn.GRU with batch_first=True.
    Keras's GRU (reset_after=True) is the same function with the order z, r, n.
    """

    gates = 3

    def cell(self, x: Value, h: Value, state: State) -> State:
        reset = ops.sigmoid(self.gate(x, 0) + self.gate(h, 0))
        update = ops.sigmoid(self.gate(x, 1) + self.gate(h, 1))
        new = ops.tanh(self.gate(x, 2) + reset * self.gate(h, 2))
        return ((1 - update) * new + update * state[0],)

    def forward(self, x: Value, h: Value | None = None) -> tuple[Value, Value]:
        y, (last,) = self.run(x, None if h is None else (h,))
        return y, last


class LSTM(_Recurrent):
    """Long short-term memory.

        i, f, o = sigmoid(W_i. x + b_i. + W_h. h + b_h.)     input, forget and output gate
        g = tanh(W_ig x + b_ig + W_hg h + b_hg)
        c' = f * c + i * g
        h' = o * tanh(c')

    Called with x (N, T, input_size) and, if given, (h, c), each (num_layers, N, H), it returns the
    states of the last layer (N, T, H) and the last (h, c) of each layer. The weights have the gates
    i, f, g, o in this order; the arguments are those of RNN.

    Source: Hochreiter & Schmidhuber (1997), Long short-term memory; torch.nn.LSTM with
    batch_first=True.
    """

    gates = 4
    states = 2

    def cell(self, x: Value, h: Value, state: State) -> State:
        both = x + h
        enter, forget, leave = (ops.sigmoid(self.gate(both, i)) for i in (0, 1, 3))
        c = forget * state[1] + enter * ops.tanh(self.gate(both, 2))
        return leave * ops.tanh(c), c

    def forward(self, x: Value, state: State | None = None) -> tuple[Value, State]:
        return self.run(x, state)
