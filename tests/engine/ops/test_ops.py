"""Every primitive has PyTorch's value, derivative and second derivative, in every shape."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from parity import CASES, Case, normal, our_tensors, their_tensors

import dlcourse as dl
from dlcourse import Tensor, gradcheck, graphs, ops
from dlcourse.ops.inference import infer

every_case = pytest.mark.parametrize("case", CASES, ids=str)
every_smooth_case = pytest.mark.parametrize("case", [c for c in CASES if c.smooth], ids=str)
pytestmark = [
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),  # NumPy's, at poles
    pytest.mark.filterwarnings("ignore:.*degrees of freedom"),  # torch.var of a single element
]


def assert_equal(ours: np.ndarray, theirs: torch.Tensor) -> None:
    expected = theirs.numpy(force=True)
    assert (ours.dtype, ours.shape) == (expected.dtype, expected.shape)
    np.testing.assert_allclose(ours, expected, rtol=1e-9, atol=1e-14)


def zeros_for_none(x: Tensor) -> np.ndarray:
    return np.zeros(x.shape, x.dtype) if x.grad is None else x.grad.data


def seeds(shape: tuple[int, ...]) -> np.ndarray:
    return normal(shape, seed=9)


def test_every_primitive_of_the_table_has_a_case() -> None:
    assert {case.op for case in CASES} == set(ops.PRIMITIVES)


def test_every_primitive_with_a_rule_has_a_case_that_gradcheck_can_judge() -> None:
    differentiable = {name for name, op in ops.PRIMITIVES.items() if op.each or any(op.rules)}
    assert {case.op for case in CASES if case.smooth} >= differentiable


@every_case
def test_value_and_gradient_are_those_of_pytorch(case: Case) -> None:
    xs, ts = our_tensors(case.inputs), their_tensors(case.inputs)
    y, t = case.ours(*xs), case.theirs(*ts)
    assert_equal(y.data, t)
    assert y.requires_grad == t.requires_grad
    if not t.requires_grad:
        return
    g = seeds(y.shape)
    y.backward(g)
    t.backward(torch.tensor(g))
    for x, u in zip(xs, ts, strict=True):
        if x.requires_grad:
            assert u.grad is not None
            assert_equal(zeros_for_none(x), u.grad)


@every_case
def test_second_derivatives_are_those_of_pytorch(case: Case) -> None:
    # The upstream gradient is a variable too, so that linear operations are covered as well.
    g = seeds(case.theirs(*their_tensors(case.inputs)).shape)
    xs, ts = our_tensors([*case.inputs, g]), their_tensors([*case.inputs, g])
    y, t = case.ours(*xs[:-1]), case.theirs(*ts[:-1])
    if not (t.requires_grad and case.second):
        return
    y.backward(xs[-1], create_graph=True)
    variables = [(x, u) for x, u in zip(xs[:-1], ts[:-1], strict=True) if x.requires_grad]
    first = [x.grad for x, _ in variables]
    theirs_first = torch.autograd.grad(t, [u for _, u in variables], ts[-1], create_graph=True)
    variables.append((xs[-1], ts[-1]))
    for x, _ in variables:
        x.zero_grad()
    total = Tensor(0.0)
    theirs_total = torch.zeros((), dtype=torch.float64)
    for gradient, theirs in zip(first, theirs_first, strict=True):
        weights = normal(theirs.shape, seed=5)
        assert gradient is not None
        total = total + (gradient * weights).sum()
        theirs_total = theirs_total + (theirs * torch.tensor(weights)).sum()
    if total.requires_grad:
        total.backward()
    if not theirs_total.requires_grad:  # PyTorch knows that the gradient is constant
        theirs_total = theirs_total + sum(u.sum() * 0 for _, u in variables)
    second = torch.autograd.grad(theirs_total, [u for _, u in variables], materialize_grads=True)
    for (x, _), theirs in zip(variables, second, strict=True):
        assert_equal(zeros_for_none(x), theirs)


@every_smooth_case
def test_gradient_is_the_limit_of_differences(case: Case) -> None:
    assert gradcheck(case.ours, our_tensors(case.inputs))


@every_case
def test_float32_in_gives_float32_out_and_float32_gradients(case: Case) -> None:
    inputs = [x.astype(np.float32) if x.dtype.kind == "f" else x for x in case.inputs]
    xs = our_tensors(inputs)
    y = case.ours(*xs)
    expected = case.ours(
        *our_tensors([x.astype(float) if x.dtype.kind == "f" else x for x in inputs])
    )
    assert y.dtype == (np.float32 if expected.dtype.kind == "f" else expected.dtype)
    np.testing.assert_allclose(
        y.data, expected.data.astype(y.dtype), rtol=2e-5, atol=2e-6, equal_nan=True
    )
    if y.requires_grad:
        y.backward(seeds(y.shape))
        for x in xs:
            assert x.grad is None or x.grad.dtype == np.float32


@every_case
def test_a_static_graph_has_the_value_and_gradients_of_the_dynamic_one(case: Case) -> None:
    xs = our_tensors(case.inputs)
    y = case.ours(*xs)
    np.testing.assert_array_equal(
        graphs.trace(case.ours, *case.inputs).run(*case.inputs)[0], y.data
    )
    if not y.requires_grad:
        return
    g = seeds(y.shape)
    y.backward(g)
    graph = graphs.gradient(
        graphs.trace(lambda *values: (case.ours(*values) * g).sum(), *case.inputs)
    )
    dynamic = [x for x in xs if x.requires_grad]
    for x, static in zip(dynamic, graph.run(*case.inputs)[1:], strict=True):
        np.testing.assert_allclose(static, zeros_for_none(x), rtol=1e-12)


def calls_of(case: Case) -> list[tuple[list[Any], dict[str, Any], Any]]:
    """The arrays and parameters that the case's primitive is called with, and what it gives."""
    op = ops.PRIMITIVES[case.op]
    kernel, calls = op.kernel, []

    def recording(*arguments: Any, **parameters: Any) -> Any:
        y = kernel(*arguments, **parameters)
        calls.append((list(arguments), parameters, y))
        return y

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(op, "kernel", recording)
        case.ours(*our_tensors(case.inputs))
    assert calls
    return calls


@every_case
def test_the_inferred_shape_and_dtype_are_those_of_the_value(case: Case) -> None:
    for arguments, parameters, y in calls_of(case):
        inferred = infer(ops.PRIMITIVES[case.op], arguments, parameters)
        assert inferred == (np.shape(y), np.asarray(y).dtype)


def test_what_was_inferred_for_a_number_is_not_taken_for_an_equal_one_of_another_type() -> None:
    integers, flags = np.ones(3, int), np.ones(3, bool)
    assert infer(ops.clip, (integers,), {"low": 1})[1] == np.clip(integers, 1, None).dtype
    assert infer(ops.clip, (integers,), {"low": 1.0})[1] == np.clip(integers, 1.0, None).dtype
    for number in (True, 1, 1.0):
        assert infer(ops.add, (flags, number), {})[1] == (flags + number).dtype


def test_the_kernel_runs_once_for_the_same_shapes_dtypes_and_parameters() -> None:
    runs = []

    def kernel(a: np.ndarray, axis: int = 0) -> np.ndarray:
        runs.append((a.shape, a.dtype, axis))
        return a.sum(axis)

    op = ops.Primitive("total", kernel, "the sum", {"a": None})
    for _ in range(3):
        for dtype in ("f4", "f8"):
            for axis in (0, 1):
                shape = (3,) if axis == 0 else (2,)
                assert infer(op, (np.ones((2, 3), dtype),), {"axis": axis}) == (shape, dtype)
    assert len(runs) == len(set(runs)) == 4


@pytest.mark.parametrize("case", [c for c in CASES if ops.PRIMITIVES[c.op].expand], ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_operation_written_with_smaller_ones_has_the_same_value(case: Case, dtype) -> None:
    for arguments, parameters, _ in calls_of(case):
        op = ops.PRIMITIVES[case.op]
        arrays = [
            x.astype(dtype) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x
            for x in arguments
        ]
        y, expanded = op.kernel(*arrays, **parameters), op.expand(*arrays, **parameters)
        if expanded is None:  # there is a way for some arguments only
            continue
        assert (expanded.dtype, expanded.shape) == (y.dtype, y.shape)
        np.testing.assert_array_equal(expanded, y)


@pytest.mark.parametrize(
    "combine",
    [
        lambda a, b: a + b,
        lambda a, b: a * b,
        lambda a, b: a / b,
        lambda a, b: a**b,
        lambda a, b: a @ b,
        dl.maximum,
        lambda a, b: dl.where(a > b, a, b),
    ],
)
def test_float32_with_float64_gives_float64_and_each_gradient_in_its_own_dtype(combine) -> None:
    a = Tensor(np.array([1.5, 2.5]), requires_grad=True, dtype=np.float32)
    b = Tensor(np.array([0.5, 3.0]), requires_grad=True)
    y = combine(a, b).sum()
    y.backward()
    assert (y.dtype, a.grad.dtype, b.grad.dtype) == (np.float64, np.float32, np.float64)


@pytest.mark.parametrize(
    "compute",
    [
        lambda x: x + 1,
        lambda x: 1 - x,
        lambda x: 2.5 * x,
        lambda x: x / 3,
        lambda x: 3 / x,
        lambda x: x**2,
        lambda x: x**0.5,
        lambda x: 2.0**x,
        lambda x: x**-1,
        lambda x: x * True,
        lambda x: dl.maximum(x, 0),
        lambda x: dl.minimum(0.5, x),
        lambda x: dl.where(x > 1, x, 0.0),
        lambda x: dl.where(x > 1, 0, x),
    ],
)
def test_python_numbers_take_the_dtype_of_the_tensor(compute) -> None:
    x = Tensor(np.array([0.5, 2.0]), requires_grad=True, dtype=np.float32)
    y = compute(x)
    assert y.dtype == np.float32
    y.sum().backward()
    assert x.grad.dtype == np.float32


@pytest.mark.parametrize(
    "constant", [np.array([1, 2]), np.array([True, False]), [1, 2], np.int64(3)]
)
def test_integer_and_boolean_constants_are_fine_beside_a_variable(constant) -> None:
    x = Tensor([2.0, 3.0], requires_grad=True)
    (x * constant).sum().backward()
    np.testing.assert_array_equal(x.grad.data, np.broadcast_to(np.asarray(constant, float), 2))


@pytest.mark.parametrize("data", [1, [1, 2], np.array([1, 2], np.uint8), True])
def test_integers_cannot_require_a_gradient(data) -> None:
    with pytest.raises(TypeError, match="floating point"):
        Tensor(data, requires_grad=True)
    Tensor(data).astype(float).requires_grad = True


@pytest.mark.parametrize("data", ["text", None, 1j, [object()], np.array(["a"])])
def test_a_tensor_is_made_of_numbers(data) -> None:
    with pytest.raises(TypeError, match="expected booleans, integers or floating point numbers"):
        Tensor(data)


@pytest.mark.parametrize("other", [1j, np.array([1j, 2]), "text", None, np.array(["a", "b"])])
def test_an_operand_is_made_of_numbers(other) -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(TypeError, match="multiply"):
        x * other


def test_no_gradient_flows_through_a_conversion_to_integers() -> None:
    x = Tensor([1.5, 2.5], requires_grad=True)
    whole = x.astype(int)
    assert whole.is_leaf
    assert not whole.requires_grad


def test_a_conversion_between_floating_dtypes_is_differentiated() -> None:
    x = Tensor([1.5, 2.5], requires_grad=True)
    (x.astype(np.float32) * 3).sum().backward()
    assert x.grad.dtype == np.float64
    np.testing.assert_array_equal(x.grad.data, [3.0, 3.0])


def test_logsumexp_of_nothing_but_minus_infinity_has_gradient_zero() -> None:
    # PyTorch gives nan there, which would spoil every parameter above a fully masked row.
    x = Tensor([[-np.inf, -np.inf], [0.0, 0.0]], requires_grad=True)
    y = x.logsumexp(axis=1)
    y.sum().backward()
    np.testing.assert_array_equal(y.data, [-np.inf, np.log(2.0)])
    np.testing.assert_allclose(x.grad.data, [[0.0, 0.0], [0.5, 0.5]], rtol=1e-15)


def test_an_infinite_gradient_does_not_leak_into_elements_that_were_cut_off() -> None:
    x = Tensor([-1.0, 1.0], requires_grad=True)
    (x.relu() + dl.maximum(x, 0) - dl.minimum(-x, 0)).backward([np.inf, 1.0])
    np.testing.assert_array_equal(x.grad.data, [0.0, 3.0])


def test_the_derivative_of_a_power_is_right_where_the_exponent_is_zero() -> None:
    a, b = Tensor([2.0, 0.5], requires_grad=True), Tensor([0.0, 0.0], requires_grad=True)
    (a**b).sum().backward(create_graph=True)
    mixed = a.grad.sum()  # d/da a ** b = b * a ** (b - 1), whose derivative in b is 1 / a there
    b.zero_grad()
    mixed.backward()
    np.testing.assert_allclose(b.grad.data, 1 / a.data, rtol=1e-12)


def test_unbroadcast_refuses_a_gradient_that_cannot_belong_to_the_value() -> None:
    for gradient_shape, value_shape in [((3,), (2,)), ((), (3,)), ((3,), (2, 1, 3)), ((1,), (4,))]:
        with pytest.raises(ValueError, match="cannot belong"):
            ops.unbroadcast(np.zeros(gradient_shape), value_shape)


def test_a_primitive_cannot_be_entered_twice() -> None:
    with pytest.raises(ValueError, match="'add' is already in the table"):
        ops.primitive("add", np.add, "a + b", a=None, b=None)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: ops.add(x),
        lambda x: ops.add(x, x, x),
        lambda x: ops.sum(x, 0, axis=0),
        lambda x: ops.sum(x, dim=0, axes=0),
        lambda x: ops.sum(x, where=x > 0),
    ],
)
def test_a_call_with_other_arguments_than_the_tables_is_refused(call) -> None:
    with pytest.raises(TypeError, match=r"expected (add\(a, b\)|sum\(a, axis, keepdims\))"):
        call(Tensor([1.0, 2.0]))


def test_parameters_may_be_given_by_position() -> None:
    x = Tensor(normal((2, 3)))
    np.testing.assert_array_equal(ops.sum(x, 1, True).data, x.data.sum(axis=1, keepdims=True))


def test_operations_on_arrays_give_arrays() -> None:
    assert type(ops.sigmoid(np.zeros(2))) is np.ndarray


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -3])
def test_expand_dims_and_squeeze_undo_each_other(axis) -> None:
    x = Tensor(normal((2, 3)), requires_grad=True)
    wide = dl.expand_dims(x, axis)
    assert wide.shape == np.expand_dims(x.data, axis).shape
    np.testing.assert_array_equal(dl.squeeze(wide, axis).data, x.data)


def test_expand_dims_and_squeeze_name_a_wrong_axis() -> None:
    x = Tensor(normal((2, 3)))
    with pytest.raises(IndexError, match="expand_dims: expected -3 <= axis < 3, got axis=3"):
        dl.expand_dims(x, 3)
    with pytest.raises(ValueError, match="squeeze: expected an axis of length 1, got axis=0"):
        dl.squeeze(x, 0)


@pytest.mark.parametrize(
    ("indices", "expected"),
    [
        ([[2]], [[0, 0, 1, 0]]),
        ([[0, 0, 3]], [[2, 0, 0, 1]]),
        ([[1], [1], [3]], [[0, 2, 0, 1]]),  # the only line broadcasts, so it is met three times
    ],
)
def test_scatter_add_along_axis_adds_what_falls_on_one_place(indices, expected) -> None:
    indices = np.array(indices)
    y = ops.scatter_add_along_axis(np.ones(indices.shape), indices, axis=1, shape=(1, 4))
    np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("indices", [np.array([[True]]), np.array([[0.0]]), np.array([0])])
def test_indices_along_an_axis_are_integers_with_the_axes_of_the_array(indices) -> None:
    with pytest.raises(IndexError, match="expected integers with 2 axes as indices"):
        ops.take_along_axis(np.ones((1, 2)), indices, axis=1)
