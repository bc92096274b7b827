"""`function` beside tf.function: the same script in both, and what only ours does."""

from __future__ import annotations

import gc
import os
import weakref
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import dlcourse as dl
from dlcourse import Tensor, ops
from dlcourse.graphs import Function, Symbol, cond, function, gradient, placeholder, trace

OURS = SimpleNamespace(
    function=function,
    array=lambda x, dtype="float32": np.array(x, dtype),
    numbers=lambda x: np.asarray(x).tolist(),
    sum=ops.sum,
    traces=lambda f: f.traces,
)


@pytest.fixture(scope="module")
def theirs() -> SimpleNamespace:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    return SimpleNamespace(
        function=tf.function,
        array=lambda x, dtype="float32": tf.constant(x, dtype),
        numbers=lambda x: x.numpy().tolist(),
        sum=tf.reduce_sum,
        traces=lambda f: f.experimental_get_tracing_count(),
    )


# --- The same script in both ----------------------------------------------------------------------


def side_effects(lib: Any) -> Any:
    log = []

    @lib.function
    def f(x: Any) -> Any:
        log.append("traced")
        return x * 2

    results = [lib.numbers(f(lib.array([1.0, n]))) for n in range(3)]
    return results, log, lib.traces(f)


def if_on_a_python_value(lib: Any) -> Any:
    log = []

    @lib.function
    def f(x: Any, training: bool = False) -> Any:
        log.append(training)
        if training:
            return x * 10
        return x

    x = lib.array([1.0, 2.0])
    calls = [f(x, True), f(x), f(x, training=True), f(x, False), f(training=False, x=x)]
    return [lib.numbers(y) for y in calls], log


def loop_is_unrolled(lib: Any) -> Any:
    steps = []

    @lib.function
    def f(x: Any, n: int) -> Any:
        for i in range(n):
            steps.append(i)
            x = x + float(i)
        return x

    return [lib.numbers(f(lib.array(1.0), n)) for n in (3, 3, 2)], steps


def new_shapes_and_dtypes(lib: Any) -> Any:
    seen = []

    @lib.function
    def f(x: Any) -> Any:
        seen.append((tuple(x.shape), np.dtype(getattr(x.dtype, "as_numpy_dtype", x.dtype)).name))
        return lib.sum(x)

    arguments = [[1.0], [2.0], [1.0, 2.0], [[1.0]], [3.0]]
    results = [lib.numbers(f(lib.array(x))) for x in arguments]
    results += [lib.numbers(f(lib.array([1, 2], dtype))) for dtype in ("float64", "int32")]
    return results, seen, lib.traces(f)


def python_values(lib: Any) -> Any:
    seen = []

    @lib.function
    def f(x: Any, k: Any) -> Any:
        seen.append(k)
        return x

    x = lib.array(0.0)
    for k in (1, 1, 2, "a", "a", 2.5, 2.5, float("nan"), float("nan"), None, None, 1):
        f(x, k)
    return str(seen)


def numpy_scalars_are_arrays(lib: Any) -> Any:
    log = []

    @lib.function
    def f(x: Any, k: Any) -> Any:
        log.append("traced")
        return x * k

    values = [np.float32(3), np.float32(4), np.array(5, "float32")]
    return [lib.numbers(f(lib.array(1.0), k)) for k in values], log


def nested_structures(lib: Any) -> Any:
    log = []

    @lib.function
    def f(p: Any, *more: Any, **options: Any) -> Any:
        log.append((len(more), sorted(options)))
        y = p["w"] * p["b"][0] + more[0]
        return {"y": y, "all": (y, [y + options.get("shift", 0.0)], None)}

    a, b = lib.array([1.0, 2.0]), lib.array([3.0, 4.0])
    calls = [f({"w": a, "b": [b]}, a), f({"b": [b], "w": a}, b), f({"w": a, "b": (b,)}, a),
             f({"w": a, "b": [b]}, a, shift=1.0), f({"w": a, "b": [b]}, a, b)]  # fmt: skip
    texts = []
    for result in calls:
        y, (z,), nothing = result["all"]
        texts.append([lib.numbers(v) for v in (result["y"], y, z)] + [nothing])
    return texts, log


def captured_list_is_changed(lib: Any) -> Any:
    factors = [2.0]

    @lib.function
    def f(x: Any) -> Any:
        for factor in factors:
            x = x * factor
        return x

    first = f(lib.array(1.0))
    factors.append(10.0)
    return [lib.numbers(y) for y in (first, f(lib.array(1.0)), f(lib.array([1.0])))]


def closure_over_a_variable(lib: Any) -> Any:
    scale = 2.0

    @lib.function
    def f(x: Any) -> Any:
        return x * scale

    first = f(lib.array(1.0))
    scale = 5.0
    return [lib.numbers(y) for y in (first, f(lib.array(1.0)), f(lib.array([1.0])))]


def random_numbers_of_numpy(lib: Any) -> Any:
    rng = np.random.default_rng(0)

    @lib.function
    def f(x: Any) -> Any:
        return x + np.float32(rng.random())

    return [lib.numbers(f(lib.array(x))) for x in (0.0, 0.0, [0.0])]


def a_function_in_a_function(lib: Any) -> Any:
    log = []

    @lib.function
    def inner(x: Any) -> Any:
        log.append("inner")
        return x * 2

    @lib.function
    def outer(x: Any) -> Any:
        log.append("outer")
        return inner(inner(x)) + inner(x)

    results = [lib.numbers(outer(lib.array([1.0]))) for _ in range(2)]
    inner(lib.array([1.0]))
    return results, log


def methods(lib: Any) -> Any:
    log = []

    class Model:
        def __init__(self, scale: float) -> None:
            self.scale = scale

        @lib.function
        def f(self, x: Any, shift: float = 0.0) -> Any:
            """What it does."""
            log.append(self.scale)
            return x * self.scale + shift

    a, b = Model(2.0), Model(3.0)
    x = lib.array(1.0)
    results = [lib.numbers(y) for y in (a.f(x), a.f(x), b.f(x), b.f(x, shift=1.0))]
    a.scale = 100.0  # read when the graph was traced
    return results, lib.numbers(a.f(x)), log


def an_object_is_known_by_its_identity(lib: Any) -> Any:
    log = []

    class Equal:
        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = None  # type: ignore[assignment]

    @lib.function
    def f(x: Any, activation: Any) -> Any:
        log.append("traced")
        return activation(x)

    def double(x: Any) -> Any:
        return x * 2

    def negate(x: Any) -> Any:
        return -x

    x = lib.array(1.0)
    return [lib.numbers(f(x, g)) for g in (double, negate, double)], log


def an_error_while_tracing(lib: Any) -> Any:
    log = []

    @lib.function
    def f(x: Any, fail: bool) -> Any:
        log.append(fail)
        if fail:
            raise KeyError("from the function")
        return x

    for _ in range(2):
        with pytest.raises(KeyError):
            f(lib.array(1.0), True)
    return lib.numbers(f(lib.array(1.0), False)), log


SCRIPTS = [
    side_effects, if_on_a_python_value, loop_is_unrolled, new_shapes_and_dtypes, python_values,
    numpy_scalars_are_arrays, nested_structures, captured_list_is_changed, closure_over_a_variable,
    random_numbers_of_numpy, a_function_in_a_function, methods, an_object_is_known_by_its_identity,
    an_error_while_tracing,
]  # fmt: skip


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda s: s.__name__)
def test_a_script_does_the_same_as_with_tensorflow(
    script: Callable[[Any], Any], theirs: SimpleNamespace
) -> None:
    assert script(OURS) == script(theirs)


def test_numbers_that_are_equal_but_not_the_same(theirs: SimpleNamespace) -> None:
    def script(lib: Any) -> Any:
        f = lib.function(lambda x, k: x * k)
        return [lib.numbers(f(lib.array(2, "float32"), k)) for k in (1, True, 0.0, -0.0)], (
            lib.traces(f)
        )

    assert script(theirs) == ([2.0, 2.0, 0.0, 0.0], 2)
    results, traces = script(OURS)
    assert (str(results), traces) == ("[2.0, 2.0, 0.0, -0.0]", 4)


def test_an_if_on_a_value_to_come_is_an_error_here_and_rewritten_by_tensorflow(
    theirs: SimpleNamespace,
) -> None:
    def f(x: Any) -> Any:
        if x > 0:
            x = x * 2
        return x

    rewritten = theirs.function(f)
    assert theirs.numbers(rewritten(theirs.array(3.0))) == 6.0
    plain = theirs.function(f, autograph=False)
    with pytest.raises(TypeError):  # TensorFlow without AutoGraph, for the same reason
        plain(theirs.array(3.0))
    with pytest.raises(TypeError, match=r"a Python if, while, and, or needs a number.*\bwhere\("):
        function(f)(np.array(3.0))


def test_an_input_signature_allows_one_trace(theirs: SimpleNamespace) -> None:
    import tensorflow as tf

    specification = tf.TensorSpec((2,), tf.float32)
    ours = function(input_signature=[placeholder((2,), np.float32)])(lambda x: x * 2)
    other = tf.function(lambda x: x * 2, input_signature=[specification])
    for f, lib in ((ours, OURS), (other, theirs)):
        assert lib.numbers(f(lib.array([1.0, 2.0]))) == [2.0, 4.0]
        for wrong in (lib.array([1.0]), lib.array([1.0, 2.0], "float64")):
            with pytest.raises(TypeError):
                f(wrong)
        assert lib.traces(f) == 1
    with pytest.raises(TypeError, match=r"Expect: f32\[2\]\n  Actual: f64\[3,1\]"):
        ours(np.ones((3, 1)))


# --- Ours -----------------------------------------------------------------------------------------


@function
def loss(params: dict[str, Any], x: Any, power: int = 2) -> Any:
    """The mean of a power."""
    return {"loss": ((x @ params["w"] + params["b"]).tanh() ** power).mean(), "constant": 3.0}


PARAMS = {"w": np.linspace(-1, 1, 6).reshape(3, 2), "b": np.array([0.5, -0.5])}
DATA = np.linspace(0, 1, 12).reshape(4, 3)


def test_the_cache_is_visible() -> None:
    f = function(loss.python_function)
    for power in (2, 2, 3):
        f(PARAMS, DATA, power)
    assert f.traces == len(f.cache) == 2
    first, second = f.cache
    assert str(first) == "(params.b: f64[2], params.w: f64[3,2], x: f64[4,3], power: 2)"
    assert str(second).endswith("power: 3)")
    assert repr(f).splitlines() == [
        "<function loss, traced for 2 signatures>", f"  {first}", f"  {second}",
    ]  # fmt: skip
    graph = f.graph_for(PARAMS, DATA, power=3)
    assert graph is f.cache[second].graph
    assert str(graph).startswith("def loss(params_b: f64[2], params_w: f64[3,2], x: f64[4,3]):")
    assert f.graph_for(PARAMS, DATA[:2]) is f.concrete(PARAMS, DATA[1:3]).graph
    assert f.traces == 3
    assert (f.__name__, f.__doc__) == ("loss", "The mean of a power.")


def test_on_arrays_the_compiled_graph_runs_and_gives_arrays() -> None:
    result = loss(PARAMS, DATA)
    expected = np.mean(np.tanh(DATA @ PARAMS["w"] + PARAMS["b"]) ** 2)
    np.testing.assert_allclose(result["loss"], expected, rtol=1e-14)
    assert not isinstance(result["loss"], Tensor)
    assert result["constant"] == 3.0


def test_results_of_earlier_calls_stay_as_they_were() -> None:
    f = function(lambda x: (x.exp(), x))
    first, same = f(DATA)
    kept = first.copy()
    f(DATA + 1)
    np.testing.assert_array_equal(first, kept)
    np.testing.assert_array_equal(same, DATA)


def test_on_tensors_the_result_is_a_tensor_that_backward_goes_through() -> None:
    def gradients(f: Callable[..., Any]) -> list[Any]:
        params = {k: Tensor(v, requires_grad=True) for k, v in PARAMS.items()}
        result = f(params, Tensor(DATA))
        result["loss"].backward()
        return [result["loss"].data, *(p.grad.data for p in params.values())]

    for a, b in zip(gradients(loss), gradients(loss.python_function), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-14)
    with_constant = loss({k: Tensor(v, True) for k, v in PARAMS.items()}, DATA)
    assert isinstance(with_constant["constant"], Tensor)
    plain = loss({k: Tensor(v) for k, v in PARAMS.items()}, DATA)["loss"]
    assert isinstance(plain, Tensor)
    assert plain.is_leaf
    with dl.no_grad():
        assert loss({k: Tensor(v, True) for k, v in PARAMS.items()}, DATA)["loss"].is_leaf


def test_cond_decides_at_each_call_also_on_tensors() -> None:
    def f(x: Any) -> Any:
        return cond(x.sum() > 0, lambda x: x * x, lambda x: -x, x).sum()

    decided = function(f)
    for sign, expected in ((1.0, [2.0, 4.0]), (-1.0, [-1.0, -1.0])):
        x = Tensor([1.0 * sign, 2.0 * sign], requires_grad=True)
        y = decided(x)
        y.backward()
        np.testing.assert_array_equal(x.grad.data, expected)
        np.testing.assert_array_equal(decided(x.data), y.data)
    assert decided.traces == 1


def test_second_derivatives_go_through_it() -> None:
    cubed = function(lambda x: (x**3).sum())
    x = Tensor([1.0, 2.0], requires_grad=True)
    np.testing.assert_allclose(dl.hessian(cubed)(x).data, np.diag([6.0, 12.0]))


def test_on_symbols_its_graph_becomes_a_part_of_the_outer_one() -> None:
    square = function(lambda x: x * x)
    outer = trace(lambda x, y: square(x) + square(y), DATA, DATA)
    assert [node.op.name for node in outer.nodes] == ["multiply", "multiply", "add"]
    assert square.traces == 1
    (g,) = gradient(trace(lambda x: square(x).sum(), DATA), with_value=False).run(DATA)
    np.testing.assert_allclose(g, 2 * DATA)


def test_a_tensor_with_a_gradient_must_be_an_argument() -> None:
    weight = Tensor(2.0, requires_grad=True)
    with pytest.raises(TypeError, match="Make it an argument of the traced function"):
        function(lambda x: x * weight)(np.array(1.0))


def test_a_result_that_is_no_array_is_an_error() -> None:
    with pytest.raises(TypeError, match=r"expected function to return Symbols .* got str"):
        function(lambda x: "text")(np.array(1.0))


def test_arguments_that_do_not_fit_are_an_error_and_trace_nothing() -> None:
    f = function(lambda x, y: x)
    with pytest.raises(TypeError, match="missing a required argument: 'y'"):
        f(DATA)
    assert f.traces == 0


def test_many_traces_are_warned_of_once() -> None:
    @function(max_traces=3)
    def f(x: Any, n: int) -> Any:
        return x + n

    for n in range(3):
        f(np.array(1.0), n)
    with pytest.warns(RuntimeWarning) as caught:
        f(np.array(1.0), 3)
    (warning,) = caught
    assert str(warning.message).startswith(
        "function f was traced 4 times. Each trace takes time. Pass a number that changes as an "
        "array, pad to the same shape, and decorate the function once, outside of any loop. "
    )
    assert "(x: f64[], n" in str(warning.message)
    assert warning.filename == __file__  # the line that called the function
    f(np.array(1.0), 4)  # pytest would fail on another warning, see below


def test_each_object_has_traces_of_its_own_which_go_with_it() -> None:
    class Model:
        @function
        def f(self, x: Any) -> Any:
            return x + 1

        renamed = function(lambda self, x: x + 2)

    a, b = Model(), Model()
    a.f(np.array(1.0))
    a.f(np.array(1.0, "float32"))
    assert (a.f.traces, b.f.traces, Model.f.traces) == (2, 0, 0)
    assert isinstance(Model.f, Function)
    assert (float(a.renamed(np.array(1.0))), a.renamed.name) == (3.0, "renamed")
    assert str(next(iter(a.f.cache))) == "(x: f64[])"
    alive = weakref.ref(a)
    del a
    gc.collect()
    assert alive() is None


def test_a_method_of_a_class_with_slots_is_refused() -> None:
    class Slots:
        __slots__ = ()

        @function
        def f(self, x: Any) -> Any:
            return x

    with pytest.raises(TypeError, match="Slots cannot keep the traces of its method"):
        Slots().f(np.array(1.0))


def test_objects_that_claim_to_be_equal_are_told_apart() -> None:
    class Equal:
        __hash__ = None  # type: ignore[assignment]

        def __eq__(self, other: object) -> bool:
            return True

    f = function(lambda x, thing: x)
    one, other = Equal(), Equal()
    for thing in (one, other, one):
        f(np.array(1.0), thing)
    assert f.traces == 2
    assert str(next(iter(f.cache))) == "(x: f64[], thing: this Equal)"


def test_inputs_of_the_graph_are_symbols_named_after_the_arguments() -> None:
    inputs = loss.graph_for(PARAMS, DATA).inputs
    assert all(isinstance(x, Symbol) for x in inputs)
    assert [x.name for x in inputs] == ["params.b", "params.w", "x"]
