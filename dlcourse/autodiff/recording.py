"""Whether operations on Tensors record the graph, in this thread."""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable, Generator
from typing import Any, TypeVar, overload

F = TypeVar("F", bound=Callable[..., Any])


class _Mode(threading.local):
    """Each thread has its own."""

    def __init__(self) -> None:
        self.recording = True
        self.anomaly = 0  # in how many contexts of `detect_anomaly` the thread is
        self.in_rule = False  # then, whether a derivative rule is running
        # Called with (operation, arguments, result) after each operation on Tensors.
        self.observers: tuple[Callable[[Any, tuple[Any, ...], Any], None], ...] = ()
        self.outer: list[bool] = []  # what held around each context that was entered


mode = _Mode()


class ModeContext:
    """A context that changes the mode; also a decorator of functions that run in it.

    It may be entered several times, also within itself.
    """

    def __enter__(self) -> None:
        raise NotImplementedError

    def __exit__(self, *_error: object) -> None:
        raise NotImplementedError

    def __call__(self, function: F) -> F:
        """``function``, running in this context. A generator is in it only while it runs."""
        name = getattr(function, "__name__", type(function).__name__)
        if inspect.isclass(function):
            raise TypeError(
                f"expected a function to decorate, got the class {name}; decorate its methods"
            )
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(
                f"expected a function to decorate, got the async function {name}, which other "
                "code runs in between; write the context within it, with no await inside"
            )
        if not callable(function):
            raise TypeError(f"expected a function to decorate, got {type(function).__name__}")

        @functools.wraps(function)
        def in_context(*arguments: Any, **named: Any) -> Any:
            with self:
                return function(*arguments, **named)

        @functools.wraps(function)
        def generator(*arguments: Any, **named: Any) -> Generator[Any, Any, Any]:
            return (yield from self._steps(function(*arguments, **named)))

        return generator if inspect.isgeneratorfunction(function) else in_context  # type: ignore[return-value]

    def _steps(self, inner: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        """``inner``, each of whose steps runs in this context, as in PyTorch."""
        step: Callable[[Any], Any] = inner.send
        sent = None
        try:
            while True:
                with self:
                    y = step(sent)
                try:
                    step, sent = inner.send, (yield y)
                except GeneratorExit:
                    with self:
                        inner.close()
                    raise
                except BaseException as error:
                    step, sent = inner.throw, error
        except StopIteration as stop:
            return stop.value


class Recording(ModeContext):
    """A context, or a decorator, that sets whether operations record the graph."""

    def __init__(self, enabled: bool) -> None:
        self.enabled = enabled

    def __enter__(self) -> None:
        mode.outer.append(mode.recording)
        mode.recording = self.enabled

    def __exit__(self, *_error: object) -> None:
        mode.recording = mode.outer.pop()


class _SetRecording(Recording):
    """Sets it at once; as a context, sets it back at the end."""

    def __init__(self, enabled: bool) -> None:
        super().__init__(enabled)
        self.before, mode.recording = mode.recording, enabled

    def __enter__(self) -> None:
        mode.outer.append(self.before)
        mode.recording = self.enabled

    def __call__(self, function: F) -> F:
        mode.recording = self.before
        return Recording(self.enabled)(function)


@overload
def no_grad(function: None = None) -> Recording: ...
@overload
def no_grad(function: F) -> F: ...
def no_grad(function: F | None = None) -> Recording | F:
    """A context, or a decorator, in which operations record no graph.

    Args:
        function: What is decorated, by ``@no_grad`` without parentheses; ``@no_grad()`` works too.
            A generator function records nothing while it runs; while it is suspended, its caller
            does as before.

    Raises:
        TypeError: A class or an async function is decorated.

    Source: torch.no_grad.
    """
    return Recording(False) if function is None else Recording(False)(function)


@overload
def enable_grad(function: None = None) -> Recording: ...
@overload
def enable_grad(function: F) -> F: ...
def enable_grad(function: F | None = None) -> Recording | F:
    """A context, or a decorator, that records again inside no_grad.

    Args:
        function: What is decorated, as for no_grad.

    Source: torch.enable_grad.
    """
    return Recording(True) if function is None else Recording(True)(function)


def set_grad_enabled(mode: bool) -> Recording:
    """Set whether operations record the graph: from now on, in a context, or in a function.

    Args:
        mode: Whether they do. As a context (``with set_grad_enabled(training):``) or a decorator
            it ends with the block or the call.

    Source: torch.set_grad_enabled.
    """
    return _SetRecording(bool(mode))


def is_grad_enabled() -> bool:
    """Whether operations record the graph now, in this thread (as torch.is_grad_enabled)."""
    return mode.recording


is_recording = is_grad_enabled
