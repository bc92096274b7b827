"""Losses have the value and the derivatives of torch.nn.functional, at extreme arguments too."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812, the field's name
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from loss_cases import CASES, Case, generator, normal

from dlcourse import Tensor, gradcheck, losses

TOLERANCE = {np.float64: 1e-9, np.float32: 2e-5}
every_dtype = pytest.mark.parametrize("dtype", TOLERANCE, ids=lambda d: d.__name__)
every_case = pytest.mark.parametrize("case", CASES, ids=str)
every_case_with_a_second_derivative = pytest.mark.parametrize(
    "case", [case for case in CASES if case.second], ids=str
)


def our_inputs(case: Case, dtype: type = np.float64) -> list[Tensor]:
    return [
        Tensor(x, requires_grad=True, dtype=dtype) if x.dtype.kind == "f" else Tensor(x)
        for x in case.inputs
    ]


def their_inputs(case: Case, dtype: type = np.float64) -> list[torch.Tensor]:
    return [
        torch.tensor(x.astype(dtype), requires_grad=True)
        if x.dtype.kind == "f"
        else torch.tensor(x)
        for x in case.inputs
    ]


def assert_close(
    ours: Tensor, theirs: torch.Tensor, dtype: type = np.float64, rtol: float | None = None
) -> None:
    expected = theirs.numpy(force=True)
    assert (ours.shape, ours.dtype) == (expected.shape, dtype)
    rtol = rtol or TOLERANCE[dtype]
    np.testing.assert_allclose(ours.detach().numpy(), expected, rtol=rtol, atol=rtol / 10)


def compare(
    case: Case, reduction: str, dtype: type = np.float64, rtol: float | None = None
) -> None:
    xs, ts = our_inputs(case, dtype), their_inputs(case, dtype)
    loss, expected = case.ours(*xs, reduction=reduction), case.theirs(*ts, reduction=reduction)
    assert_close(loss, expected, dtype, rtol)
    seed = normal(loss.shape, 9).astype(dtype)
    loss.backward(seed)
    expected.backward(torch.tensor(seed))
    for x, t in zip(xs, ts, strict=True):
        if t.requires_grad:
            assert x.grad is not None
            assert_close(x.grad, t.grad, dtype, rtol)


def test_every_loss_has_a_case() -> None:
    not_compared_here = {"l1_penalty", "l2_penalty", "elastic_net_penalty", "cosine_similarity"}
    assert {case.label.partition("(")[0] for case in CASES} == {*losses.__all__} - not_compared_here


@every_case
@every_dtype
@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides:UserWarning")  # PyTorch's, on kl_div
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's, where every label is ignored
def test_value_and_gradient_are_those_of_pytorch_in_every_reduction(case, dtype) -> None:
    for reduction in ["mean", "sum", "none", *(["batchmean"] if "kl_div" in case.label else [])]:
        compare(case, reduction, dtype)


@every_case_with_a_second_derivative
def test_second_derivatives_are_those_of_pytorch(case) -> None:
    xs, ts = our_inputs(case), their_inputs(case)
    case.ours(*xs, reduction="sum").backward(create_graph=True)
    variables = [(x, t) for x, t in zip(xs, ts, strict=True) if t.requires_grad]
    theirs_first = torch.autograd.grad(
        case.theirs(*ts, reduction="sum"), [t for _, t in variables], create_graph=True
    )
    total, expected = Tensor(0.0), sum(t.sum() * 0 for _, t in variables)
    for i, ((x, _), theirs) in enumerate(zip(variables, theirs_first, strict=True)):
        direction = normal(x.shape, 20 + i)
        total = total + (x.grad * direction).sum()
        expected = expected + (theirs * torch.tensor(direction)).sum()
        x.zero_grad()
    if total.requires_grad:
        total.backward()
    second = torch.autograd.grad(expected, [t for _, t in variables])
    for (x, _), theirs in zip(variables, second, strict=True):
        assert_close(Tensor(np.zeros(x.shape)) if x.grad is None else x.grad, theirs)


@every_case
def test_the_gradient_is_the_limit_of_differences(case) -> None:
    if max(x.size for x in case.inputs) <= 12:
        assert gradcheck(lambda *xs: case.ours(*xs, reduction="none"), our_inputs(case))


@every_case
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_arrays_give_the_same_value_as_tensors(case) -> None:
    value = case.ours(*case.inputs, reduction="mean")
    assert not isinstance(value, Tensor)
    np.testing.assert_array_equal(value, case.ours(*our_inputs(case), reduction="mean").data)


# --- Corners ------------------------------------------------------------------------------------

LOGITS = {
    "ordinary": np.random.default_rng(1).normal(size=(6, 4)) * 3,
    "huge": np.array([[1e4, -1e4, 0.0], [-1e4, 1e4, 1e4], [1e4, 1e4, 1e4]]),
    "one certain": np.array([[0.0, 800.0], [800.0, 0.0]]),
    "equal": np.zeros((2, 5)),
    "one class": np.array([[3.0], [-3.0]]),
    "one example": np.array([[1.0, 2.0, 3.0]]),
    "a class ruled out": np.array([[0.0, 1.0, -np.inf], [1.0, 0.0, -np.inf]]),
}


@every_dtype
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("logits", LOGITS.values(), ids=LOGITS)
def test_cross_entropy_of_extreme_logits_is_that_of_pytorch(logits, dtype) -> None:
    labels = np.arange(len(logits)) % min(logits.shape[1], 2)
    compare(Case("", losses.cross_entropy, F.cross_entropy, (logits, labels)), "mean", dtype)


EXTREME = np.array([-1e4, -800.0, -40.0, -1e-9, 0.0, 1e-9, 40.0, 800.0, 1e4])


@every_dtype
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("target", [0.0, 0.25, 1.0])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (losses.binary_cross_entropy_with_logits, F.binary_cross_entropy_with_logits),
        (losses.mse, F.mse_loss),
        (losses.huber, F.huber_loss),
        (losses.smooth_l1, F.smooth_l1_loss),
    ],
)
def test_extreme_predictions_give_the_value_and_gradient_of_pytorch(
    ours, theirs, target, dtype
) -> None:
    inputs = (EXTREME, np.full(EXTREME.shape, target))
    compare(Case("", ours, theirs, inputs), "none", dtype)


@every_dtype
@pytest.mark.parametrize(("target", "sign"), [(1, 1.0), (0, -1.0)])
def test_binary_cross_entropy_with_logits_keeps_the_digits_of_a_small_loss(
    target, sign, dtype
) -> None:
    # PyTorch subtracts: its gradient is 0 at 40, and its loss for class 0 at -40.
    logits = Tensor([40.0 * sign], requires_grad=True, dtype=dtype)
    loss = losses.binary_cross_entropy_with_logits(logits, [target])
    loss.backward()
    small = math.exp(-40)
    np.testing.assert_allclose(loss.item(), small, rtol=TOLERANCE[dtype])
    np.testing.assert_allclose(logits.grad.data, [-small * sign], rtol=TOLERANCE[dtype])


@every_dtype
@pytest.mark.filterwarnings("error")
def test_binary_cross_entropy_at_0_and_1_is_that_of_pytorch(dtype) -> None:
    p, target = np.array([0.0, 0.0, 1.0, 1.0, 0.0]), np.array([0.0, 1.0, 0.0, 1.0, 0.5])
    case = Case(
        "",
        lambda p, **k: losses.binary_cross_entropy(p, target.astype(dtype), **k),
        lambda p, **k: F.binary_cross_entropy(p, torch.tensor(target, dtype=p.dtype), **k),
        (p,),
    )
    # PyTorch's least divisor, 1e-12, is rounded to single precision.
    compare(case, "none", dtype, rtol=max(TOLERANCE[dtype], 1e-8))


@every_dtype
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("error", [1e-6, -1e-6, 1e-3, 0.999999, 1.000001, -5.0, 1e4, -1e4])
def test_log_cosh_keeps_its_digits_near_0_and_does_not_overflow_far_away(error, dtype) -> None:
    x = Tensor([error], requires_grad=True, dtype=dtype)
    size = abs(float(x.data[0]))
    if size < 0.01:
        expected = size**2 / 2 - size**4 / 12
    else:
        expected = size + math.log1p(math.exp(-2 * size)) - math.log(2)
    loss = losses.log_cosh(x, [0.0])
    loss.backward()
    np.testing.assert_allclose(loss.item(), expected, rtol=TOLERANCE[dtype])
    np.testing.assert_allclose(x.grad.data, np.tanh(x.data), rtol=TOLERANCE[dtype])


@every_dtype
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("gamma", [0, 0.5, 1, 2])
def test_focal_has_a_finite_gradient_where_the_probability_is_0_or_1(gamma, dtype) -> None:
    logits = Tensor([1e4, -1e4, 1e4, -1e4], requires_grad=True, dtype=dtype)
    loss = losses.focal(logits, [1, 0, 0, 1], gamma=gamma, reduction="none")
    loss.backward(np.ones(4))
    np.testing.assert_array_equal(loss.data, [0, 0, 1e4, 1e4])
    np.testing.assert_array_equal(logits.grad.data, [0, 0, 1, -1])


def test_gradients_at_a_kink_are_those_of_pytorch() -> None:
    for ours, theirs in [
        (losses.mae, F.l1_loss),
        (losses.huber, F.huber_loss),
        (losses.smooth_l1, F.smooth_l1_loss),
    ]:
        inputs = (np.array([0.0, 1.0, -1.0]), np.zeros(3))
        compare(Case("", ours, theirs, inputs), "none")


@every_dtype
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's, on dividing by 0
@pytest.mark.parametrize(
    ("labels", "weight", "options"),
    [
        ([-100, -100], None, {}),
        ([-100, -100], None, {"label_smoothing": 0.1}),
        ([-100, -100], [1.0, 1.0, 1.0], {}),
        ([0, 1], [0.0, 0.0, 1.0], {}),
    ],
)
def test_a_mean_over_nothing_is_nan_as_in_pytorch(labels, weight, options, dtype) -> None:
    x = Tensor(np.ones((2, 3)), dtype=dtype)
    ours = losses.cross_entropy(x, labels, weight=weight, **options)
    theirs = F.cross_entropy(
        torch.ones(2, 3),
        torch.tensor(labels),
        weight=None if weight is None else torch.tensor(weight),
        **options,
    )
    assert math.isnan(ours.item())
    assert math.isnan(theirs.item())
    assert losses.cross_entropy(x, labels, weight=weight, reduction="sum").item() == 0


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_mean_over_labels_that_are_all_ignored_has_the_gradient_0() -> None:
    x = Tensor(np.ones((2, 3)), requires_grad=True)
    loss = losses.cross_entropy(x, [-100, -100])
    loss.backward()
    assert math.isnan(loss.item())
    np.testing.assert_array_equal(x.grad.data, np.zeros((2, 3)))


def test_an_ignored_example_gets_the_gradient_0_whatever_its_logits() -> None:
    logits = Tensor([[1.0, 2.0], [np.inf, np.nan]], requires_grad=True)
    loss = losses.nll(logits, [0, -100])
    loss.backward()
    assert loss.item() == -1.0
    np.testing.assert_array_equal(logits.grad.data, [[-1.0, 0.0], [0.0, 0.0]])


def test_labels_that_are_ignored_must_be_named() -> None:
    with pytest.raises(ValueError, match="got -100"):
        losses.cross_entropy(np.zeros((2, 3)), [0, -100], ignore_index=None)


@pytest.mark.filterwarnings("error")
def test_kl_div_of_a_class_that_the_target_rules_out_is_0() -> None:
    log_q = Tensor([[0.0, -np.inf], [-1.0, -2.0]], requires_grad=True)
    p = np.array([[1.0, 0.0], [0.0, 1.0]])
    loss = losses.kl_div(log_q, p, reduction="sum")
    loss.backward()
    assert loss.item() == 2.0
    np.testing.assert_array_equal(log_q.grad.data, -p)


@pytest.mark.filterwarnings("error")
def test_kl_div_of_a_log_target_of_minus_infinity_is_0() -> None:
    log_q = Tensor([[0.0, -np.inf], [-1.0, -2.0]])
    log_p = np.array([[0.0, -np.inf], [-np.inf, 0.0]])
    assert losses.kl_div(log_q, log_p, log_target=True, reduction="batchmean").item() == 1.0


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("zero", [(0,), (1,), (0, 1)])
def test_cosines_of_a_vector_of_length_0_are_those_of_pytorch(zero) -> None:
    vectors = [normal((2, 3), 1), normal((2, 3), 2)]
    for i in zero:
        vectors[i][0] = 0
    target = np.array([1, -1])
    similarity = Case(
        "",
        lambda a, b, reduction: losses.cosine_similarity(a, b),
        lambda a, b, reduction: F.cosine_similarity(a, b),
        tuple(vectors),
    )
    compare(similarity, "none")
    embedding = Case("", losses.cosine_embedding, F.cosine_embedding_loss, (*vectors, target))
    compare(embedding, "none", rtol=1e-8)  # PyTorch's 1e-12 is rounded to single precision


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_cosine_similarity_along_an_axis_is_that_of_pytorch(axis) -> None:
    case = Case(
        "",
        lambda a, b, reduction: losses.cosine_similarity(a, b, axis=axis),
        lambda a, b, reduction: F.cosine_similarity(a, b, dim=axis),
        (normal((2, 3, 4), 1), normal((2, 3, 4), 2)),
    )
    compare(case, "none")


# --- Any shapes, labels and weights -------------------------------------------------------------


@settings(max_examples=150, derandomize=True, deadline=None)
@given(data=st.data())
def test_cross_entropy_is_that_of_pytorch_whatever_the_arguments(data) -> None:
    n, c = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 5))
    more = tuple(data.draw(st.lists(st.integers(1, 3), max_size=2)))
    logits = np.array(
        data.draw(
            st.lists(
                st.floats(-1e4, 1e4, width=32),
                min_size=(size := n * c * math.prod(more)),
                max_size=size,
            )
        )
    ).reshape(n, c, *more)
    rng = generator(data.draw(st.integers(0, 10**6)))
    weight = rng.uniform(0.1, 3, size=c) if data.draw(st.booleans()) else None
    options = {"label_smoothing": data.draw(st.sampled_from([0.0, 0.1, 1.0]))}
    if data.draw(st.booleans()):
        target = rng.dirichlet(np.ones(c), size=(n, *more))
        target = np.moveaxis(target, -1, 1)
    else:
        options["ignore_index"] = data.draw(st.sampled_from([-100, -1, 0, 2]))
        allowed = [*range(c), options["ignore_index"]]
        target = rng.choice(allowed, size=(n, *more))
        target.flat[0] = c - 1  # one at least counts
        assume(options["ignore_index"] != c - 1)
    case = Case(
        "",
        lambda x, t, **k: losses.cross_entropy(x, t, weight=weight, **options, **k),
        lambda x, t, **k: F.cross_entropy(
            x, t, weight=None if weight is None else torch.tensor(weight), **options, **k
        ),
        (logits, np.asarray(target)),
    )
    reduction = data.draw(st.sampled_from(["mean", "sum", "none"]))
    compare(case, reduction)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(data=st.data())
def test_losses_of_an_error_are_those_of_pytorch_whatever_the_arguments(data) -> None:
    shape = tuple(data.draw(st.lists(st.integers(0, 3), max_size=3)))
    size = math.prod(shape)
    numbers = st.lists(st.floats(-1e4, 1e4, width=32), min_size=size, max_size=size)
    x, t = (np.array(data.draw(numbers), dtype=float).reshape(shape) for _ in range(2))
    scale = data.draw(st.floats(0.01, 100))
    ours, theirs = data.draw(
        st.sampled_from(
            [
                (losses.mse, F.mse_loss),
                (losses.mae, F.l1_loss),
                (
                    lambda x, t, **k: losses.huber(x, t, delta=scale, **k),
                    lambda x, t, **k: F.huber_loss(x, t, delta=scale, **k),
                ),
                (
                    lambda x, t, **k: losses.smooth_l1(x, t, beta=scale, **k),
                    lambda x, t, **k: F.smooth_l1_loss(x, t, beta=scale, **k),
                ),
            ]
        )
    )
    compare(Case("", ours, theirs, (x, t)), data.draw(st.sampled_from(["sum", "none"])))


# --- Arguments ----------------------------------------------------------------------------------


@pytest.mark.parametrize("labels", [[0, 2], np.array([0, 2], np.uint8), Tensor([0, 2])])
def test_labels_may_be_a_list_an_array_of_any_integers_or_a_tensor(labels) -> None:
    assert losses.cross_entropy(Tensor(np.zeros((2, 3))), labels).item() == pytest.approx(np.log(3))


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.bool_, np.float32])
def test_one_hot_targets_of_any_dtype_are_the_same_as_labels(dtype) -> None:
    logits, labels = Tensor(normal((4, 3)), dtype=np.float32), np.array([2, 0, 1, 1])
    loss = losses.cross_entropy(logits, np.eye(3, dtype=dtype)[labels])
    assert loss.dtype == np.float32
    assert loss.item() == pytest.approx(losses.cross_entropy(logits, labels).item(), rel=1e-6)


@pytest.mark.parametrize(
    "loss",
    [
        losses.mse,
        losses.log_cosh,
        losses.binary_cross_entropy_with_logits,
        losses.focal,
        losses.hinge,
    ],
)
@pytest.mark.parametrize("target", [[1, 1], np.array([1, 1]), [1.0, 1.0]])
def test_targets_of_integers_or_in_a_list_leave_a_float32_loss_float32(loss, target) -> None:
    prediction = Tensor([0.5, -2.0], requires_grad=True, dtype=np.float32)
    value = loss(prediction, target)
    value.backward()
    assert value.dtype == prediction.grad.dtype == np.float32


x23, x2, x_integer = np.zeros((2, 3)), np.zeros(2), np.zeros(2, int)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (
            lambda: losses.mse(np.zeros((4, 1)), np.zeros(4)),
            ValueError,
            r"\(4, 1\) != \(4,\).*reshape",
        ),
        (lambda: losses.mse(x_integer, x2), TypeError, "mse: expected floating point prediction"),
        (lambda: losses.mse(x2, x2, reduction="avg"), ValueError, "'mean', 'sum' or 'none'.*'avg'"),
        (lambda: losses.huber(x2, x2, delta=0), ValueError, "delta > 0, got 0"),
        (lambda: losses.smooth_l1(x2, x2, beta=-1), ValueError, "beta >= 0, got -1"),
        (lambda: losses.cross_entropy(x23, [0]), ValueError, r"logits \(2, 3\) and labels \(1,\)"),
        (lambda: losses.cross_entropy(x23, [[0], [1]]), ValueError, r"labels \(2, 1\)"),
        (lambda: losses.cross_entropy([1.0, 2.0], [0, 1]), ValueError, r"logits \(2,\)"),
        (lambda: losses.cross_entropy(1.0, 1.0), ValueError, r"logits \(\)"),
        (lambda: losses.cross_entropy(x23, [0.0, 1.0]), TypeError, "integer labels.*float64"),
        (lambda: losses.cross_entropy(x23, [True, False]), TypeError, "integer labels.*bool"),
        (lambda: losses.cross_entropy(x23, [0, 3]), ValueError, "from 0 to 2.*got 3"),
        (lambda: losses.cross_entropy(x23, [-1, 0]), ValueError, "from 0 to 2.*got -1"),
        (lambda: losses.cross_entropy([[1, 2]], [0]), TypeError, "floating point logits.*int64"),
        (
            lambda: losses.cross_entropy(x23, [0, 1], weight=[1.0, 2.0]),
            ValueError,
            r"shape \(3,\).*Actual: \(2,\)",
        ),
        (lambda: losses.cross_entropy(x23, [0, 1], label_smoothing=2), ValueError, "0 to 1, got 2"),
        (lambda: losses.cross_entropy(x23, x23, ignore_index=1), ValueError, "a distribution"),
        (lambda: losses.nll(x23, [0, 3]), ValueError, "nll.*the log_probabilities have 3 classes"),
        (lambda: losses.multi_margin(x23, [0, 3]), ValueError, "multi_margin.*got 3"),
        (lambda: losses.multi_margin(x23, [0, 1], p=3), ValueError, "p = 1 or 2, got 3"),
        (lambda: losses.multi_margin(np.zeros((2, 3, 4)), x2), ValueError, r"got \(2, 3, 4\)"),
        (lambda: losses.kl_div(x23, x2), ValueError, r"\(2, 3\) != \(2,\)"),
        (
            lambda: losses.binary_cross_entropy([0.5, 1.5], [0, 1]),
            ValueError,
            "probabilities from 0 to 1.*with_logits.*got 1.5",
        ),
        (lambda: losses.binary_cross_entropy(x2, [0, 2]), ValueError, "targets from 0 to 1; got 2"),
        (
            lambda: losses.binary_cross_entropy_with_logits(x2, [0, -1]),
            ValueError,
            "targets from 0 to 1; got -1",
        ),
        (
            lambda: losses.binary_cross_entropy_with_logits(x2, x2, pos_weight=[1.0, 2.0, 3.0]),
            ValueError,
            r"\(3,\) against \(2,\)",
        ),
        (
            lambda: losses.binary_cross_entropy_with_logits(x2, x2, pos_weight=x23[:, :2]),
            ValueError,
            r"\(2, 2\) against \(2,\)",
        ),
        (lambda: losses.focal(x2, x2, gamma=-1), ValueError, "gamma >= 0, got -1"),
        (lambda: losses.focal(x2, x2, alpha=2), ValueError, "alpha from 0 to 1, or None, got 2"),
        (lambda: losses.focal(x2, [0, 2]), ValueError, "targets from 0 to 1; got 2"),
        (lambda: losses.hinge(x2, [0, 1]), ValueError, r"-1 or 1.*2 \* target - 1.*got 0"),
        (lambda: losses.squared_hinge(x2, [2, 1]), ValueError, "squared_hinge.*got 2"),
        (lambda: losses.cosine_similarity(x23, x2), ValueError, r"a, b of one shape.*\(2,\)"),
        (lambda: losses.cosine_embedding(x23, x23, [0, 1]), ValueError, "-1 .*or 1.*got 0"),
        (lambda: losses.cosine_embedding(x23, x23, [1]), ValueError, r"target \(1,\)"),
        (lambda: losses.triplet_margin(x23, x23, x2), ValueError, "anchor, positive, negative"),
        (lambda: losses.triplet_margin(1.0, 1.0, 1.0), ValueError, "vectors or more"),
        (lambda: losses.triplet_margin(x23, x23, x23, p=0.5), ValueError, "p >= 1, got 0.5"),
        (lambda: losses.triplet_margin(x23, x23, x23, margin=0), ValueError, "margin > 0, got 0"),
    ],
)
def test_arguments_that_do_not_fit_are_named(call, error, text) -> None:
    with pytest.raises(error, match="(?s)" + text):
        call()
