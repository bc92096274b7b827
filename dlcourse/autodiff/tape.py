"""GradientTape: TensorFlow's way to say what to differentiate.

The engine records a graph anyway. A tape adds which part of it counts: the operations that ran
while it was recording, on something that it watches.
"""

from __future__ import annotations

import threading
import warnings
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import numpy as np

from dlcourse import ops
from dlcourse.autodiff.recording import Recording, mode
from dlcourse.autodiff.tensor import Tensor, gradients
from dlcourse.ops import Primitive
from dlcourse.ops.trees import flatten, leaves, unflatten

# How many tapes make a tensor differentiable that is no variable, by its id.
_borrowed: dict[int, int] = {}


class _OpenTapes(threading.local):
    """How many tapes are recording in this thread."""

    count = 0


_open = _OpenTapes()


class GradientTape:
    """Records operations in a ``with`` block, for gradients of what they computed.

    A Tensor with ``requires_grad=True`` is what TensorFlow calls a variable: it is watched as soon
    as an operation uses it. Other tensors are watched from ``watch`` on, and are left as they were
    when the block ends.

    Args:
        persistent: Allow more than one call of ``gradient``, ``jacobian`` or ``batch_jacobian``.
        watch_accessed_variables: Watch variables without being told to.

    Source: tf.GradientTape, https://www.tensorflow.org/api_docs/python/tf/GradientTape
    """

    def __init__(self, persistent: bool = False, watch_accessed_variables: bool = True) -> None:
        self._persistent = persistent
        self._watch_accessed_variables = watch_accessed_variables
        self._is_recording = False
        self._recording: Recording | None = None
        self._has_record = False
        self._forget()

    def _forget(self) -> None:
        self._watched: dict[int, Tensor] = {}
        self._variables: dict[int, Tensor] = {}
        # The results on the tape by id, weakly: the tape keeps no value alive.
        self._results: dict[int, weakref.ref[Tensor]] = {}

    # --- Recording ------------------------------------------------------------------------------

    def __enter__(self) -> GradientTape:
        if self._is_recording:
            raise ValueError(
                "GradientTape: it is recording already; make another for a block in it"
            )
        if not self._has_record:
            self._forget()
        self._start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if self._is_recording:
            self._stop()

    def _start(self) -> None:
        self._is_recording = self._has_record = True
        self._recording = Recording(True)
        self._recording.__enter__()
        mode.observers = (*mode.observers, self._observe)
        _open.count += 1
        for x in self._watched.values():
            _borrow(x)

    def _stop(self) -> None:
        assert self._recording is not None
        self._is_recording = False
        self._recording.__exit__()
        mode.observers = tuple(o for o in mode.observers if o != self._observe)
        _open.count -= 1
        for x in self._watched.values():
            _give_back(x)

    def _observe(self, _op: Primitive, arguments: tuple[Any, ...], result: Tensor) -> None:
        """Note what an operation did, right after it."""
        if self._watch_accessed_variables:
            for x in arguments:
                if isinstance(x, Tensor) and _is_variable(x):
                    self._variables.setdefault(id(x), x)
        if result.op is not None and any(map(self._is_on_tape, arguments)):
            key, results = id(result), self._results
            results[key] = weakref.ref(result, lambda _dead: results.pop(key, None))

    def _is_on_tape(self, x: Any) -> bool:
        key = id(x)
        return key in self._results or key in self._watched or key in self._variables

    def watch(self, tensor: Any) -> None:
        """Let the operations from now on be recorded for a Tensor, or each of a nested structure.

        An integer tensor has no gradient; a warning says so.

        Raises:
            RuntimeError: The tape is not recording.
            ValueError: Not a Tensor.
        """
        if not self._is_recording:
            raise RuntimeError("watch: the tape is not recording; call it inside the with block")
        for x in leaves(tensor, none_is_leaf=True):
            if not isinstance(x, Tensor):
                raise ValueError(f"watch: expected Tensors, got {type(x).__name__} {x!r}")
            if x.dtype.kind != "f":
                warnings.warn(
                    f"GradientTape.watch: expected a floating point dtype, got {x.dtype}; "
                    "there is no gradient for it",
                    stacklevel=2,
                )
            elif _is_variable(x):
                self._variables[id(x)] = x
            elif id(x) not in self._watched:
                self._watched[id(x)] = x
                _borrow(x)

    def watched_variables(self) -> tuple[Tensor, ...]:
        """The variables that are watched, in the order of their creation."""
        return tuple(sorted(self._variables.values(), key=lambda x: x.created))

    @contextmanager
    def stop_recording(self) -> Iterator[None]:
        """A context in which this tape records nothing; other tapes go on.

        Raises:
            RuntimeError: The tape is not recording.
        """
        if not self._is_recording:
            raise RuntimeError("stop_recording: the tape is not recording")
        self._stop()
        try:
            yield
        finally:
            self._start()

    def reset(self) -> None:
        """Forget all that was recorded and watched, and go on.

        Raises:
            ValueError: The tape is not recording.
        """
        if not self._is_recording:
            raise ValueError("reset: the tape is not recording")
        self._stop()
        self._forget()
        self._start()

    # --- Derivatives ----------------------------------------------------------------------------

    def gradient(
        self,
        target: Any,
        sources: Any,
        output_gradients: Any = None,
        unconnected_gradients: str = "none",
    ) -> Any:
        """The gradient of the sum of all elements of ``target`` with respect to each source.

        It is recorded by the tapes that are open, so that they can differentiate it.

        Args:
            target: A Tensor of any shape, or a list, tuple or dict of them (their sum counts).
            sources: A Tensor, or nested lists, tuples and dicts of them.
            output_gradients: In the structure of ``target``, for each the gradient that it starts
                from, of its shape; ones by default.
            unconnected_gradients: For a source on which the target does not depend by operations
                on the tape: None for "none", zeros for "zero".

        Returns:
            Gradients in the structure of ``sources``, each of its source's shape.

        Raises:
            RuntimeError: A second call, although the tape is not persistent.
            TypeError: A target or source is no Tensor.
            ValueError: ``unconnected_gradients`` is another word, or a seed has another shape.
        """
        _check_choice(unconnected_gradients)
        targets = leaves(target, none_is_leaf=True)
        named, structure = flatten(sources, none_is_leaf=True)
        variables = [x for _, x in named]
        _check_tensors("target", targets)
        _check_tensors("source", variables)
        seeds = [None] * len(targets)
        if output_gradients is not None:
            seeds = leaves(output_gradients, none_is_leaf=True)
        if len(seeds) != len(targets):
            raise ValueError(
                f"output_gradients: expected one for each of {len(targets)} targets, "
                f"got {len(seeds)}"
            )
        self._use()
        totals: list[Tensor | None] = [None] * len(variables)
        for y, seed in zip(targets, seeds, strict=True):
            parts = self._sweep(y, variables, np.ones_like(y.data) if seed is None else seed)
            totals = [_add(total, part) for total, part in zip(totals, parts, strict=True)]
        if unconnected_gradients == "zero":
            totals = [
                Tensor(np.zeros_like(x.data)) if total is None else total
                for x, total in zip(variables, totals, strict=True)
            ]
        return unflatten(structure, totals)

    def jacobian(self, target: Tensor, sources: Any, unconnected_gradients: str = "none") -> Any:
        """The derivative of each element of ``target``: shape target.shape + source.shape.

        Arguments, structure of the result and errors are those of ``gradient``, for one target.
        It takes one sweep for each element of the target.
        """
        _check_choice(unconnected_gradients)
        named, structure = flatten(sources, none_is_leaf=True)
        variables = [x for _, x in named]
        _check_tensors("target", [target])
        _check_tensors("source", variables)
        self._use()
        seeds = np.eye(target.size, dtype=target.dtype).reshape(target.size, *target.shape)
        rows = [self._sweep(target, variables, seed) for seed in seeds]
        found = [
            _stack([row[i] for row in rows], (*target.shape, *x.shape), x, unconnected_gradients)
            for i, x in enumerate(variables)
        ]
        return unflatten(structure, found)

    def batch_jacobian(
        self, target: Tensor, source: Tensor, unconnected_gradients: str = "none"
    ) -> Tensor | None:
        """For each example b of a batch the derivative of target[b] with respect to source[b].

        The first axis of both is the batch, and target[b] depends on source[b] alone. It takes one
        sweep for each element of target[0].

        Returns:
            Shape ``(batch, *target.shape[1:], *source.shape[1:])``.

        Raises:
            ValueError: Target or source has fewer than two axes, or their first ones differ.
        """
        _check_choice(unconnected_gradients)
        _check_tensors("target", [target])
        _check_tensors("source", [source])
        if target.ndim < 2 or source.ndim < 2 or target.shape[0] != source.shape[0]:
            raise ValueError(
                "batch_jacobian: expected shapes (batch, ...) with at least two axes and the same "
                f"batch, got target {target.shape} and source {source.shape}"
            )
        self._use()
        batch, inner = target.shape[0], target.shape[1:]
        count = int(np.prod(inner))
        seeds = np.eye(count, dtype=target.dtype).reshape(count, 1, *inner)
        rows = [
            self._sweep(target, [source], np.broadcast_to(seed, target.shape))[0] for seed in seeds
        ]
        shape = (count, batch, *source.shape[1:])
        stacked = _stack(rows, shape, source, unconnected_gradients)
        if stacked is None:
            return None
        order = (1, 0, *range(2, len(shape)))
        return stacked.transpose(order).reshape(batch, *inner, *source.shape[1:])

    def _use(self) -> None:
        """Allow this call, and no other one unless the tape is persistent."""
        if not self._has_record:
            raise RuntimeError(
                "a GradientTape that is not persistent gives one set of gradients, after it has "
                "recorded. Pass persistent=True to call it again."
            )
        if not self._persistent:
            if self._is_recording:
                self._stop()
            self._has_record = False

    def _sweep(self, y: Tensor, variables: Sequence[Tensor], seed: Any) -> list[Tensor | None]:
        """d(y)/d(variable) along the tape, pulled back from ``seed``."""
        cotangent = seed if isinstance(seed, Tensor) else Tensor(seed)
        if cotangent.shape != y.shape:
            raise ValueError(
                f"output_gradients: expected the shape of the target, {y.shape}, "
                f"got {cotangent.shape}"
            )
        sources = [x for x in variables if self._is_on_tape(x) or x is y]
        if not y.requires_grad:
            found = [cotangent if x is y else None for x in sources]
        else:
            with self._borrowing():
                found = gradients(
                    y, sources, cotangent, retain_graph=True, create_graph=_open.count > 0,
                    follow=lambda x: id(x) in self._results,
                )  # fmt: skip
        by_id = {id(x): g for x, g in zip(sources, found, strict=True)}
        return [by_id.get(id(x)) for x in variables]

    @contextmanager
    def _borrowing(self) -> Iterator[None]:
        """A context in which the watched tensors are differentiable, as in the ``with`` block."""
        for x in self._watched.values():
            _borrow(x)
        try:
            yield
        finally:
            for x in self._watched.values():
                _give_back(x)


def _is_variable(x: Tensor) -> bool:
    return x.is_leaf and x.requires_grad and id(x) not in _borrowed


def _borrow(x: Tensor) -> None:
    """Make ``x`` differentiable until it is given back."""
    if id(x) in _borrowed:
        _borrowed[id(x)] += 1
    elif not x.requires_grad:
        x.requires_grad = True
        _borrowed[id(x)] = 1


def _give_back(x: Tensor) -> None:
    if id(x) in _borrowed:
        _borrowed[id(x)] -= 1
        if _borrowed[id(x)] == 0:
            del _borrowed[id(x)]
            x.requires_grad = False


def _add(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    if a is None or b is None:
        return b if a is None else a
    return a + b


def _stack(
    rows: Sequence[Tensor | None], shape: tuple[int, ...], source: Tensor, unconnected: str
) -> Tensor | None:
    """The rows as one Tensor of the given shape; None if no row is connected."""
    connected = [row for row in rows if row is not None]
    if not connected:
        return Tensor(np.zeros(shape, source.dtype)) if unconnected == "zero" else None
    stacked: Tensor = ops.concatenate([row.reshape(-1) for row in connected])
    return stacked.reshape(shape)


def _check_choice(unconnected_gradients: str) -> None:
    if unconnected_gradients not in ("none", "zero"):
        raise ValueError(
            f'unconnected_gradients: expected "none" or "zero", got {unconnected_gradients!r}'
        )


def _check_tensors(what: str, values: Sequence[Any]) -> None:
    for x in values:
        if not isinstance(x, Tensor):
            raise TypeError(f"GradientTape: expected a {what} to be a Tensor, got {x!r}")
