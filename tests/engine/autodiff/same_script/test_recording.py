"""When operations are recorded, and when not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dlcourse import (
    Tensor,
    detect_anomaly,
    enable_grad,
    is_grad_enabled,
    no_grad,
    set_grad_enabled,
)
from same_script.case import Script, Scripts, assert_same

script = Scripts()


@script
def contexts_in_contexts(lib):
    x = lib.variable(2.0)
    seen = [lib.is_grad_enabled()]
    with lib.no_grad():
        seen += [lib.is_grad_enabled(), (x * x).requires_grad]
        with lib.enable_grad():
            seen += [lib.is_grad_enabled(), (x * x).requires_grad]
        with lib.set_grad_enabled(True):
            seen.append((x * x).requires_grad)
        seen.append((x * x).requires_grad)
    with lib.set_grad_enabled(False):
        seen.append((x * x).requires_grad)
    return [*seen, (x * x).requires_grad]


@script
def a_decorated_function(lib):
    x = lib.variable(2.0)

    @lib.no_grad()
    def double(x):
        return x * 2.0

    return [double(x).requires_grad, (x * 2.0).requires_grad]


@script
def a_function_decorated_without_parentheses(lib):
    @lib.no_grad
    def named(x, *, scale=2.0):
        """Doubles."""
        return (x * scale).requires_grad

    @lib.enable_grad
    def again(x):
        return (x * 2.0).requires_grad

    x = lib.variable(2.0)
    with lib.no_grad():
        inside = again(x)
    return [named(x, scale=3.0), inside, again(x), named.__name__, named.__doc__]


@script
def a_decorated_method_and_a_recursive_function(lib):
    class Model:
        @lib.no_grad()
        def predict(self, x):
            return x * 2.0

        @staticmethod
        @lib.no_grad
        def static(x):
            return x * 2.0

    @lib.no_grad()
    def down(x, depth):
        return x * 1.0 if depth == 0 else down(x, depth - 1)

    x, model = lib.variable(2.0), Model()
    return [
        model.predict(x).requires_grad,
        model.static(x).requires_grad,
        down(x, 3).requires_grad,
        lib.is_grad_enabled(),
    ]


@script
def a_context_is_entered_within_itself(lib):
    context, seen = lib.set_grad_enabled(True), []
    off = lib.no_grad()
    with off:
        seen.append(lib.is_grad_enabled())
    with off:
        with context:
            seen.append(lib.is_grad_enabled())
        seen.append(lib.is_grad_enabled())
    return [*seen, lib.is_grad_enabled()]


@script
def an_error_ends_the_mode(lib):
    @lib.no_grad
    def fails():
        raise ValueError

    try:
        fails()
    except ValueError:
        return lib.is_grad_enabled()


@script
def set_grad_enabled_acts_at_once(lib):
    before = lib.is_grad_enabled()
    lib.set_grad_enabled(False)
    off = lib.is_grad_enabled()
    lib.set_grad_enabled(True)
    return [before, off, lib.is_grad_enabled()]


@script
def set_grad_enabled_around_a_function(lib):
    @lib.set_grad_enabled(False)
    def inside():
        return lib.is_grad_enabled()

    return [lib.is_grad_enabled(), inside(), lib.is_grad_enabled()]


# --- Generators: the mode holds while they run, not while they are suspended ----------------------


def counting(lib, seen):
    """A generator that notes the mode, and answers what it is sent."""
    received = None
    try:
        for i in range(3):
            seen.append(("in", lib.is_grad_enabled()))
            try:
                received = yield (i, received)
            except KeyError:
                seen.append(("caught", lib.is_grad_enabled()))
                received = "KeyError"
    finally:
        seen.append(("closed", lib.is_grad_enabled()))
    return "end"


@script
def a_generator_in_a_for_loop(lib):
    seen = []
    for i, _ in lib.no_grad()(counting)(lib, seen):
        seen.append((i, lib.is_grad_enabled()))
    return [seen, lib.is_grad_enabled()]


@script
def a_generator_without_parentheses(lib):
    seen = []
    found = [(i, lib.is_grad_enabled()) for i, _ in lib.no_grad(counting)(lib, seen)]
    return [seen, found]


@script
def a_generator_that_records_again(lib):
    seen = []
    with lib.no_grad():
        found = [(i, lib.is_grad_enabled()) for i, _ in lib.enable_grad(counting)(lib, seen)]
    return [seen, found, lib.is_grad_enabled()]


@script
def a_generator_is_sent_values_and_returns_one(lib):
    seen = []

    def outer():
        result = yield from lib.no_grad(counting)(lib, seen)
        seen.append((result, lib.is_grad_enabled()))

    g = outer()
    answers = [next(g), g.send("a"), g.send("b")]
    try:
        g.send("c")
    except StopIteration:
        answers.append("stopped")
    return [seen, answers, lib.is_grad_enabled()]


@script
def an_error_is_thrown_into_a_generator(lib):
    seen = []
    g = lib.no_grad(counting)(lib, seen)
    answers = [next(g), g.throw(KeyError("caught within"))]
    try:
        g.throw(ValueError("not caught"))
    except ValueError as error:
        answers.append(str(error))
    return [seen, answers, lib.is_grad_enabled()]


@script
def a_generator_is_closed_early(lib):
    seen = []
    g = lib.no_grad(counting)(lib, seen)
    next(g)
    g.close()
    return [seen, lib.is_grad_enabled()]


@script
def generators_take_turns(lib):
    seen, x = [], lib.variable(2.0)

    def doubles():
        for _ in range(2):
            yield (x * 2.0).requires_grad

    for a, b, c in zip(lib.no_grad(doubles)(), lib.enable_grad(doubles)(), doubles(), strict=True):
        seen.append([a, b, c, lib.is_grad_enabled()])
    return seen


@script
def detached_values_are_constants(lib):
    x = lib.variable([1.0, 2.0])
    (x * x.detach()).sum().backward()
    return [x.grad, x.detach().requires_grad]


@script
def detach_shares_memory(lib):
    x = lib.variable([1.0, 2.0])
    x.detach()[0] = 5.0
    return x


@script
def a_model_that_is_frozen_and_thawed(lib):
    w = lib.variable([1.0, 2.0])
    w.requires_grad = False
    y = (w * 2.0).sum()
    w.requires_grad = True
    z = (w * 2.0).sum()
    return [y.requires_grad, z.requires_grad]


@pytest.mark.parametrize("program", script, ids=lambda f: f.__name__)
def test_the_script_gives_what_it_gives_in_pytorch(program: Script) -> None:
    assert_same(program)


# --- What only dlcourse says, or refuses ----------------------------------------------------------


class Model:
    pass


async def coroutine():
    pass


async def generator():
    yield


@pytest.mark.parametrize(
    "decorator", [no_grad, enable_grad, detect_anomaly, set_grad_enabled(True)]
)
@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (Model, "got the class Model; decorate its methods"),
        (coroutine, "got the async function coroutine"),
        (generator, "got the async function generator"),
        (classmethod(coroutine), "got classmethod"),
        (3, "got int"),
    ],
)
def test_what_cannot_run_in_the_mode_is_not_decorated(
    decorator: Any, wrong: Any, text: str
) -> None:
    with pytest.raises(TypeError, match=text):
        decorator(wrong)
    assert is_grad_enabled()


def test_anomaly_mode_holds_in_a_decorated_function_and_generator_only() -> None:
    def fails():
        with np.errstate(all="ignore"):
            yield Tensor([-1.0]).log()

    @detect_anomaly
    def function():
        return next(fails())

    assert np.isnan(next(fails()).data)
    for call in (function, detect_anomaly(fails)().__next__, detect_anomaly()(fails)().__next__):
        with pytest.raises(FloatingPointError, match="log: the result has a NaN"):
            call()
    suspended = detect_anomaly(lambda: (yield 1))()
    assert next(suspended) == 1
    assert np.isnan(next(fails()).data)


def test_anomaly_mode_may_be_entered_within_itself() -> None:
    with detect_anomaly():
        with detect_anomaly():
            pass
        with np.errstate(all="ignore"), pytest.raises(FloatingPointError):
            Tensor([-1.0]).log()
    with np.errstate(all="ignore"):
        Tensor([-1.0]).log()


def test_outside_of_anomaly_mode_a_derivative_may_be_nan() -> None:
    x = Tensor(0.0, requires_grad=True)
    with np.errstate(all="ignore"):
        (x.sqrt() * 0).backward()
    assert np.isnan(x.grad.data)
    with detect_anomaly(), np.errstate(all="ignore"), pytest.raises(FloatingPointError):
        (x.sqrt() * 0).backward()
