"""GradientTape: each script runs with TensorFlow and with dlcourse, and must do the same."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dlcourse import Tensor, no_grad, ops
from dlcourse.autodiff import GradientTape, custom_gradient

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


class Ours:
    """The names that the scripts use, in dlcourse."""

    GradientTape = GradientTape
    custom_gradient = staticmethod(custom_gradient)
    exp, log, sin, sum, reshape = ops.exp, ops.log, ops.sin, ops.sum, ops.reshape

    @staticmethod
    def variable(x: Any) -> Tensor:
        return Tensor(x, requires_grad=True, dtype=np.float64)

    @staticmethod
    def constant(x: Any) -> Tensor:
        return Tensor(x) if isinstance(x, int) else Tensor(x, dtype=np.float64)


def theirs() -> Any:
    import tensorflow as tf

    class Theirs:
        """The same names in TensorFlow."""

        GradientTape = tf.GradientTape
        custom_gradient = staticmethod(tf.custom_gradient)
        exp, log, sin = tf.exp, tf.math.log, tf.sin
        sum, reshape = tf.reduce_sum, tf.reshape

        @staticmethod
        def variable(x: Any) -> Any:
            return tf.Variable(x, dtype=tf.float64)

        @staticmethod
        def constant(x: Any) -> Any:
            return tf.constant(x) if isinstance(x, int) else tf.constant(x, dtype=tf.float64)

    return Theirs


def plain(result: Any) -> Any:
    """A result in Python's own terms, so that those of the two libraries can be compared."""
    if isinstance(result, dict):
        return {key: plain(x) for key, x in result.items()}
    if isinstance(result, list | tuple):
        return type(result)(map(plain, result))
    if hasattr(result, "numpy"):
        array = np.asarray(result.data if isinstance(result, Tensor) else result.numpy())
        return (array.shape, array.dtype.name, np.round(array, 10).tolist())
    return result


def outcome(script: Callable[[Any], Any], library: Any) -> Any:
    """What the script returns, or the type of the exception that it raises."""
    try:
        return plain(script(library))
    except Exception as error:
        return type(error).__name__


# --- Scripts that return a value ------------------------------------------------------------------


def one_source(lib):
    x = lib.variable([1.0, 2.0])
    with lib.GradientTape() as tape:
        y = lib.sum(x * x * x)
    return tape.gradient(y, x)


def a_target_that_is_no_scalar_is_summed(lib):
    x, w = lib.variable([[1.0, 2.0]]), lib.variable([[3.0], [4.0]])
    with lib.GradientTape() as tape:
        y = x * w
    return tape.gradient(y, [x, w])


def structures_of_sources(lib):
    x, w, b = lib.variable(2.0), lib.variable(3.0), lib.variable(4.0)
    with lib.GradientTape() as tape:
        y = x * w + b * b
    return tape.gradient(y, {"w": w, "rest": (x, [b, x])})


def structures_of_targets(lib):
    x = lib.variable(2.0)
    with lib.GradientTape(persistent=True) as tape:
        y, z = x * x, x * 3.0
    return [
        tape.gradient([y, z, y], x),
        tape.gradient({"y": y, "z": (z,)}, [x]),
        tape.gradient(y, []),
    ]


def output_gradients(lib):
    x = lib.variable([1.0, 2.0])
    with lib.GradientTape(persistent=True) as tape:
        y, z = x * x, x * 3.0
    seed = lib.constant([10.0, 100.0])
    return [
        tape.gradient(y, x, output_gradients=seed),
        tape.gradient([y, z], [x], output_gradients=[seed, lib.constant([1.0, -1.0])]),
    ]


def unconnected(lib):
    x, w, c = lib.variable([1.0, 2.0]), lib.variable(3.0), lib.constant([1.0, 2.0])
    with lib.GradientTape(persistent=True) as tape:
        y = lib.sum(x * c)
    return [
        tape.gradient(y, [x, w, c]),
        tape.gradient(y, [x, w, c], unconnected_gradients="zero"),
        tape.gradient(c * 2.0, x),
    ]


def watched_constants(lib):
    c = lib.constant([1.0, 2.0])
    with lib.GradientTape() as tape:
        tape.watch(c)
        y = lib.sum(lib.sin(c))
    return tape.gradient(y, c)


def watching_a_structure(lib):
    a, b = lib.constant(2.0), lib.constant(3.0)
    with lib.GradientTape() as tape:
        tape.watch([a, (b,)])
        y = a * b
    return tape.gradient(y, [a, b])


def watched_too_late(lib):
    c = lib.constant(3.0)
    with lib.GradientTape() as tape:
        y = c * c
        tape.watch(c)
        z = c * 3.0 + y
    return tape.gradient(z, c)


def a_result_watched_in_the_middle(lib):
    x = lib.variable(3.0)
    before = x * x
    with lib.GradientTape() as tape:
        tape.watch(before)
        y = before * 2.0
    return tape.gradient(y, [before, x])


def variables_only_if_told(lib):
    x, w = lib.variable(2.0), lib.variable(3.0)
    with lib.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(x)
        y = x * w * w
    return [tape.gradient(y, [x, w]), len(tape.watched_variables())]


def which_variables_were_used(lib):
    x, w, unused, c = lib.variable(2.0), lib.variable(3.0), lib.variable(4.0), lib.constant(5.0)
    with lib.GradientTape() as tape:
        tape.watch(c)
        w * c
        x * w
    return [list(tape.watched_variables()), unused]


def a_constant_watched_by_an_outer_tape_only(lib):
    c, x = lib.constant(2.0), lib.variable(3.0)
    with lib.GradientTape() as outer:
        outer.watch(c)
        with lib.GradientTape() as inner:
            y = c * c * x
        by_inner = inner.gradient(y, [c, x])
    return [by_inner, len(inner.watched_variables()), outer.gradient(y, c)]


def computed_outside(lib):
    x = lib.variable(3.0)
    before = x * x
    with lib.GradientTape(persistent=True) as tape:
        y = x * before
    after = y * 2.0
    return [tape.gradient(y, x), tape.gradient(after, x), tape.gradient(before, x)]


def stopped_for_a_while(lib):
    x = lib.variable([3.0, 1.0])
    with lib.GradientTape(persistent=True) as tape:
        y = x * x
        with tape.stop_recording():
            z = y * 3.0
        u = y * 2.0
    return [tape.gradient(z, x), tape.gradient(u, x), tape.gradient([z, u], x)]


def an_outer_tape_records_while_the_inner_is_stopped(lib):
    x = lib.variable(3.0)
    with lib.GradientTape() as outer, lib.GradientTape() as inner, inner.stop_recording():
        y = x * x
    return [outer.gradient(y, x), inner.gradient(y, x)]


def reset(lib):
    x = lib.variable(3.0)
    with lib.GradientTape() as tape:
        y = x * x
        tape.reset()
        z = x * 3.0
    return tape.gradient([y, z], x)


def entered_again(lib):
    x = lib.variable(3.0)
    tape = lib.GradientTape()
    with tape:
        y = x * x
    with tape:
        z = y * x
    return tape.gradient(z, x)


def second_derivative(lib):
    x = lib.variable([0.5, 2.0])
    with lib.GradientTape() as outer:
        with lib.GradientTape() as inner:
            y = lib.sin(x) * x
        first = inner.gradient(y, x)
    return [first, outer.gradient(first, x)]


def third_derivative_of_a_constant(lib):
    c = lib.constant(2.0)
    with lib.GradientTape() as a:
        a.watch(c)
        with lib.GradientTape() as b:
            b.watch(c)
            with lib.GradientTape() as d:
                d.watch(c)
                y = c * c * c * c
            first = d.gradient(y, c)
        second = b.gradient(first, c)
    return [first, second, a.gradient(second, c)]


def a_gradient_taken_inside_a_persistent_tape(lib):
    x = lib.variable(2.0)
    with lib.GradientTape(persistent=True) as tape:
        y = x * x * x
        first = tape.gradient(y, x)
    return [first, tape.gradient(first, x)]


def a_gradient_taken_inside_its_own_tape(lib):
    x = lib.variable(3.0)
    with lib.GradientTape() as tape:
        y = x * x
        first = tape.gradient(y, x)
        x * 3.0
    return first


def the_target_is_the_source(lib):
    x, c = lib.variable([3.0, 4.0]), lib.constant(2.0)
    with lib.GradientTape(persistent=True) as tape:
        x * c
    return [tape.gradient(x, x), tape.gradient(c, c), tape.gradient([x, x * 2.0], x)]


def integers(lib):
    n = lib.constant(3)
    with lib.GradientTape() as tape:
        tape.watch(n)
        y = n * n
    return tape.gradient(y, n)


def jacobians(lib):
    x, w, u = lib.variable([1.0, 2.0]), lib.variable([[3.0, 4.0]]), lib.variable(1.0)
    with lib.GradientTape(persistent=True) as tape:
        y = lib.sin(x) * w
    return [
        tape.jacobian(y, x),
        tape.jacobian(y, {"x": x, "w": w, "u": u}),
        tape.jacobian(y, u, unconnected_gradients="zero"),
        tape.jacobian(lib.constant([1.0]), x),
    ]


def jacobian_of_a_gradient(lib):
    x = lib.variable([1.0, 2.0])
    with lib.GradientTape() as outer:
        with lib.GradientTape() as inner:
            y = lib.sum(lib.exp(x)) * x
        first = inner.gradient(y, x)
    return outer.jacobian(first, x)


def batch_jacobians(lib):
    x = lib.variable([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    with lib.GradientTape(persistent=True) as tape:
        y = lib.reshape(lib.sin(x), (2, 3, 1)) * lib.reshape(x * x, (2, 1, 3))
    return [
        tape.batch_jacobian(y, x),
        tape.batch_jacobian(lib.constant([[1.0], [2.0]]), x, unconnected_gradients="zero"),
    ]


def a_custom_gradient(lib):
    @lib.custom_gradient
    def log1pexp(x):
        e = lib.exp(x)
        return lib.log(1.0 + e), lambda g: g * (1.0 - 1.0 / (1.0 + e))

    x = lib.variable([100.0, 0.0, -1.0])
    with lib.GradientTape() as outer:
        with lib.GradientTape() as inner:
            y = log1pexp(x)
        first = inner.gradient(y, x)
    return [y, first, outer.gradient(first, x)]


def a_custom_gradient_that_is_not_the_true_one(lib):
    @lib.custom_gradient
    def product(a, b):
        return a * b, lambda g: (g * 10.0, g * a)

    a, b = lib.variable(2.0), lib.variable(3.0)
    with lib.GradientTape() as tape:
        y = product(a * 1.0, b) * 2.0
    return tape.gradient(y, [a, b])


# --- Scripts that fail ----------------------------------------------------------------------------


def two_gradients_of_a_tape_that_is_not_persistent(lib):
    x = lib.variable(3.0)
    with lib.GradientTape() as tape:
        y = x * x
    tape.gradient(y, x)
    return tape.gradient(y, x)


def a_jacobian_after_a_gradient(lib):
    x = lib.variable([3.0])
    with lib.GradientTape() as tape:
        y = x * x
    tape.gradient(y, x)
    return tape.jacobian(y, x)


def never_entered(lib):
    return lib.GradientTape().gradient(lib.constant(1.0), lib.constant(1.0))


def entered_twice_at_once(lib):
    tape = lib.GradientTape()
    with tape, tape:
        pass


def reset_outside(lib):
    lib.GradientTape().reset()


def stop_recording_outside(lib):
    with lib.GradientTape().stop_recording():
        pass


def watching_a_number(lib):
    with lib.GradientTape() as tape:
        tape.watch(3.0)


def an_unknown_word(lib):
    x = lib.variable(3.0)
    with lib.GradientTape() as tape:
        y = x * x
    return tape.gradient(y, x, unconnected_gradients="zeros")


def examples_that_do_not_match(lib):
    x = lib.variable([[3.0, 1.0]])
    with lib.GradientTape() as tape:
        y = lib.reshape(x * x, (2, 1))
    return tape.batch_jacobian(y, x)


def no_examples_at_all(lib):
    x = lib.variable([3.0, 1.0])
    with lib.GradientTape() as tape:
        y = x * x
    return tape.batch_jacobian(y, x)


def too_few_gradients_from_a_pullback(lib):
    @lib.custom_gradient
    def product(a, b):
        return a * b, lambda g: g

    a, b = lib.variable(2.0), lib.variable(3.0)
    with lib.GradientTape() as tape:
        y = product(a, b)
    return tape.gradient(y, [a, b])


VALUES = [
    one_source, a_target_that_is_no_scalar_is_summed, structures_of_sources, structures_of_targets,
    output_gradients, unconnected, watched_constants, watching_a_structure, watched_too_late,
    a_result_watched_in_the_middle, variables_only_if_told, which_variables_were_used,
    a_constant_watched_by_an_outer_tape_only, computed_outside, stopped_for_a_while,
    an_outer_tape_records_while_the_inner_is_stopped, reset, entered_again, second_derivative,
    third_derivative_of_a_constant, a_gradient_taken_inside_a_persistent_tape,
    a_gradient_taken_inside_its_own_tape, the_target_is_the_source, integers, jacobians,
    jacobian_of_a_gradient, batch_jacobians, a_custom_gradient,
    a_custom_gradient_that_is_not_the_true_one,
]  # fmt: skip
FAILURES = {
    two_gradients_of_a_tape_that_is_not_persistent: "RuntimeError",
    a_jacobian_after_a_gradient: "RuntimeError",
    never_entered: "RuntimeError",
    entered_twice_at_once: "ValueError",
    reset_outside: "ValueError",
    stop_recording_outside: "RuntimeError",
    watching_a_number: "ValueError",
    an_unknown_word: "ValueError",
    examples_that_do_not_match: "ValueError",
    no_examples_at_all: "ValueError",
    too_few_gradients_from_a_pullback: "ValueError",
}


@pytest.mark.filterwarnings("ignore:GradientTape.watch")
@pytest.mark.parametrize("script", VALUES, ids=lambda f: f.__name__)
def test_the_script_gives_what_it_gives_in_tensorflow(script: Callable[[Any], Any]) -> None:
    expected = plain(script(theirs()))
    assert plain(script(Ours)) == expected


@pytest.mark.parametrize("script", FAILURES, ids=lambda f: f.__name__)
def test_the_script_fails_as_it_fails_in_tensorflow(script: Callable[[Any], Any]) -> None:
    assert outcome(script, theirs()) == FAILURES[script]
    assert outcome(script, Ours) == FAILURES[script]


# --- What TensorFlow has no counterpart for -------------------------------------------------------


@pytest.mark.parametrize("method", ["gradient", "jacobian", "batch_jacobian"])
@pytest.mark.parametrize("place", ["target", "source"])
def test_what_is_no_tensor_is_refused_by_its_place(method: str, place: str) -> None:
    x = Tensor([[3.0]], requires_grad=True)
    with GradientTape() as tape:
        y = x * x
    arguments = {"target": y, "source": x} | {place: np.ones((1, 1))}
    with pytest.raises(TypeError, match=f"GradientTape: expected a {place} to be a Tensor, got"):
        getattr(tape, method)(*arguments.values())


def test_watching_leaves_the_tensor_as_it_was_also_after_an_error() -> None:
    x = Tensor(3.0)
    with pytest.raises(KeyError), GradientTape() as outer, GradientTape() as inner:
        outer.watch(x)
        inner.watch(x)
        assert x.requires_grad
        raise KeyError
    assert not x.requires_grad
    assert x.grad is None
    assert not (x * 2).requires_grad


def test_tapes_that_overlap_without_nesting_keep_a_tensor_watched_until_the_last_ends() -> None:
    x = Tensor(3.0)
    first, second = GradientTape(), GradientTape()
    first.__enter__()
    second.__enter__()
    first.watch(x)
    second.watch(x)
    first.__exit__(None, None, None)
    y = x * x
    second.__exit__(None, None, None)
    assert first.gradient(y, x) is None
    assert second.gradient(y, x).item() == 6.0
    assert not x.requires_grad


def test_a_tape_records_inside_no_grad_and_leaves_no_grad_behind() -> None:
    x = Tensor(3.0, requires_grad=True)
    with no_grad():
        with GradientTape() as tape:
            y = x * x
        assert not (x * x).requires_grad
    assert tape.gradient(y, x).item() == 6.0


def test_a_tape_gathers_nothing_in_grad_and_backward_still_works() -> None:
    x = Tensor(3.0, requires_grad=True)
    with GradientTape() as tape:
        y = x * x
    tape.gradient(y, x)
    assert x.grad is None
    y.backward()
    assert x.grad.item() == 6.0


def test_a_gradient_is_recorded_only_while_a_tape_is_open() -> None:
    x = Tensor(3.0, requires_grad=True)
    with GradientTape(persistent=True) as tape:
        y = x * x
        assert tape.gradient(y, x).requires_grad
    assert not tape.gradient(y, x).requires_grad


def test_a_tape_keeps_no_intermediate_value_alive() -> None:
    import gc
    import weakref

    gc.disable()
    try:
        x = Tensor(np.ones(3), requires_grad=True)
        with GradientTape() as tape:
            h = x * 2.0
            seen = weakref.ref(h)
            y = (h * h).sum()
            del h
            assert seen() is not None  # y needs it
            del y
            assert seen() is None
        assert tape.watched_variables() == (x,)
    finally:
        gc.enable()


def test_a_seed_of_another_shape_is_refused() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    with GradientTape(persistent=True) as tape:
        y = x * x
    with pytest.raises(ValueError, match=r"expected the shape of the target, \(2,\), got \(\)"):
        tape.gradient(y, x, output_gradients=1.0)
    with pytest.raises(ValueError, match="one for each of 2 targets, got 1"):
        tape.gradient([y, y], x, output_gradients=[1.0])


@pytest.mark.parametrize(("target", "source"), [(2.0, None), (None, "x")])
def test_targets_and_sources_must_be_tensors(target, source) -> None:
    x = Tensor(3.0, requires_grad=True)
    with GradientTape() as tape:
        y = x * x
    with pytest.raises(TypeError, match="to be a Tensor, got"):
        tape.gradient(y if target is None else target, x if source is None else source)


def test_watching_integers_warns_that_they_have_no_gradient() -> None:
    with GradientTape() as tape, pytest.warns(UserWarning, match="floating point dtype, got int64"):
        tape.watch(Tensor(3))


def test_a_tape_that_is_entered_again_still_watches() -> None:
    x = Tensor(3.0)
    with GradientTape() as tape:
        tape.watch(x)
    with tape:
        y = x * x
    assert tape.gradient(y, x) == 6.0


def test_a_tape_outside_its_block_watches_nothing() -> None:
    with pytest.raises(RuntimeError, match="watch: the tape is not recording; call it inside"):
        GradientTape().watch(Tensor(1.0))


@pytest.mark.parametrize("method", ["gradient", "jacobian", "batch_jacobian"])
def test_another_choice_for_what_is_unconnected_is_refused_and_uses_up_nothing(method: str) -> None:
    x = Tensor([[1.0], [2.0]], requires_grad=True)
    with GradientTape() as tape:
        y = x * x
    with pytest.raises(ValueError, match=r"unconnected_gradients: expected .* got 'zeros'"):
        getattr(tape, method)(y, x, unconnected_gradients="zeros")
    assert getattr(tape, method)(y, x).data.sum() == 6.0


def test_a_tape_that_was_never_opened_has_watched_nothing() -> None:
    assert GradientTape().watched_variables() == ()
