"""Recurrent layers: one cell, applied to each element of a sequence and to its own last state.

Sequences are batch first, (N, T, features), as with ``batch_first=True`` in PyTorch. The names and
the order of gates in the weights are PyTorch's: layer k has ``weight_ih_lk``, ``weight_hh_lk``,
``bias_ih_lk`` and ``bias_hh_lk``, with the gates one below the other; the cell that reads backwards
has the same names with ``_reverse`` behind.

In a static graph the loop over time is unrolled.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, TypeAlias

import numpy as np

from dlcourse import ops
from dlcourse.nn.layers import check_sizes, uniform_parameter
from dlcourse.nn.module import Module
from dlcourse.ops import Value

State: TypeAlias = tuple[Value, ...]  # (h,), or (h, c); each (N, hidden_size)


class _Recurrent(Module):
    """What the recurrent layers share; R stands for num_layers, twice that if bidirectional.

    Args:
        input_size: The number of features of an element of the sequence.
        hidden_size: H, the number of features of the state.
        num_layers: How many layers, each on the states of the one before.
        bias: Whether the cell has biases.
        batch_first: Whether sequences are (N, T, features), the default here, or (T, N, features).
        dropout: In training, the rate of dropout on what a layer hands to the next.
        bidirectional: Whether each layer also has a cell that reads from the end; the layer's
            states are then (N, T, 2 H), those of the two cells side by side.
        rng: Where the initial values come from; uniform in +-1 / sqrt(H), as in PyTorch.
        dtype: Of all parameters.
        generator: Where the random numbers of dropout come from, by default a new generator.
    """

    gates: ClassVar[int]  # how many blocks of H rows the weights have
    states: ClassVar[int] = 1  # how many arrays the state has

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = True,
        dropout: float = 0.0,
        bidirectional: bool = False,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
        generator: np.random.Generator | None = None,
    ) -> None:
        check_sizes(self, input_size=input_size, hidden_size=hidden_size, num_layers=num_layers)
        if not 0 <= dropout < 1:
            raise ValueError(f"{type(self).__name__}: expected 0 <= dropout < 1, got {dropout}")
        rng = np.random.default_rng() if rng is None else rng
        self.input_size, self.hidden_size = input_size, hidden_size
        self.num_layers, self.has_bias, self.batch_first = num_layers, bias, batch_first
        self.dropout, self.bidirectional = dropout, bidirectional
        self.generator = np.random.default_rng() if generator is None else generator
        rows = self.gates * hidden_size
        for k in range(num_layers):
            width = input_size if k == 0 else hidden_size * len(self._directions())
            for direction in self._directions():
                shapes: list[tuple[str, tuple[int, ...]]] = [
                    (f"weight_ih_l{k}{direction}", (rows, width)),
                    (f"weight_hh_l{k}{direction}", (rows, hidden_size)),
                ]
                if bias:
                    shapes += [(f"bias_{which}_l{k}{direction}", (rows,)) for which in ("ih", "hh")]
                for name, shape in shapes:
                    setattr(self, name, uniform_parameter(rng, hidden_size**-0.5, shape, dtype))

    def _directions(self) -> tuple[str, ...]:
        """How the names of the weights end, for each cell of a layer."""
        return ("", "_reverse") if self.bidirectional else ("",)

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
            initial: Arrays of shape (R, N, H), by default zeros.

        Raises:
            ValueError: The shapes do not fit.
        """
        self._check_sequence(x)
        if not self.batch_first:
            x = ops.swapaxes(x, 0, 1)
        state = self._initial(x, initial)
        sequence = _elements(x)
        last: list[State] = []
        for k in range(self.num_layers):
            if k and self.dropout and self.training:
                sequence = [ops.dropout(h, self.dropout, self.generator) for h in sequence]
            passes = []
            for direction in self._directions():
                order = -1 if direction else 1
                first = tuple(part[len(last)] for part in state)
                states, now = self._pass(f"l{k}{direction}", sequence[::order], first)
                passes.append(states[::order])
                last.append(now)
            both = zip(*passes, strict=True)
            sequence = [ops.concatenate(p, axis=1) if len(p) > 1 else p[0] for p in both]
        ends = tuple(ops.stack(parts, 0) for parts in zip(*last, strict=True))
        return ops.stack(sequence, 1 if self.batch_first else 0), ends

    def _pass(self, cell: str, sequence: list[Value], state: State) -> tuple[list[Value], State]:
        """The hidden states of one cell at each element of a sequence, and its last state."""
        hidden = []
        for x in sequence:
            inner = self._affine(f"ih_{cell}", x)
            state = self.cell(inner, self._affine(f"hh_{cell}", state[0]), state)
            hidden.append(state[0])
        return hidden, state

    def _affine(self, name: str, x: Value) -> Value:
        weight = getattr(self, f"weight_{name}")
        if self.has_bias:
            return ops.linear(x, weight, getattr(self, f"bias_{name}"))
        return ops.matmul(x, ops.transpose(weight))

    def _check_sequence(self, x: Value) -> None:
        axes = "(N, T, " if self.batch_first else "(T, N, "
        time = 1 if self.batch_first else 0
        if len(x.shape) != 3 or x.shape[time] < 1 or x.shape[2] != self.input_size:
            raise ValueError(
                f"{type(self).__name__}: expected a batch of sequences {axes}{self.input_size}) "
                f"with T >= 1, got shape {x.shape}"
            )

    def _initial(self, x: Value, initial: State | None) -> State:
        shape = (self.num_layers * len(self._directions()), x.shape[0], self.hidden_size)
        if initial is None:
            return (np.zeros(shape, x.dtype),) * self.states
        if len(initial) != self.states or any(part.shape != shape for part in initial):
            raise ValueError(
                f"{type(self).__name__}: expected initial states of shape {shape}, {self.states} "
                f"of them; got {', '.join(str(part.shape) for part in initial)}"
            )
        return initial

    def gate(self, values: Value, i: int) -> Value:
        """Block number i of H columns."""
        return values[:, i * self.hidden_size : (i + 1) * self.hidden_size]


def _elements(x: Value) -> list[Value]:
    """x[:, 0], x[:, 1], ... of a sequence (N, T, D), as halves of its halves.

    The gradient of a slice is an array as large as what it was cut from. So T slices of x would
    cost T times the size of x in the backward sweep; cut in this way they cost log2(T) times.
    """
    n, length, width = x.shape
    if length == 1:
        return [ops.reshape(x, shape=(n, width))]
    half = length // 2
    return _elements(x[:, :half]) + _elements(x[:, half:])


class RNN(_Recurrent):
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh).

    Args:
        input_size: The features of x.
        hidden_size: H, the features of the state.
        nonlinearity: "tanh" or "relu".
        options: Those that every recurrent layer has:

            - ``num_layers``: How many, one upon the other.
            - ``bias``: Whether there are b_ih and b_hh.
            - ``batch_first``: Sequences are (N, T, features), by default, or (T, N, features).
            - ``dropout``: In training, the rate of dropout on what a layer hands to the next; its
              random numbers come from ``generator``.
            - ``bidirectional``: Each layer also has a cell that reads from the end. The layer's
              states are then (N, T, 2 H), those of both cells side by side.
            - ``rng``: Where the initial values come from; uniform in +-1 / sqrt(H), as in PyTorch.
            - ``dtype``: Of all parameters.

    Called with x (N, T, input_size) and, if given, h (R, N, H), it returns the states of the last
    layer (N, T, H) and the last state of each layer (R, N, H). R is num_layers, twice that with
    ``bidirectional``, where the two cells of a layer follow one another.

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

    Called as RNN is, with the same results. The weights have the gates r, z, n in this order; the
    arguments are those of RNN.

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

    Called as RNN is, but with (h, c), each (R, N, H), in the place of h, also in what it returns.
    The weights have the gates i, f, g, o in this order; the arguments are those of RNN.

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
