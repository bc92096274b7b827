"""The training loop learns, measures honestly, and stops as it should."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from dlcourse import nn
from dlcourse.losses import cross_entropy, mse
from dlcourse.nn import Linear, ReLU, Sequential
from dlcourse.nn.saving import load_checkpoint
from dlcourse.optimizers import (
    LBFGS,
    SGD,
    Adam,
    ExponentialLR,
    ReduceLROnPlateau,
    StepLR,
)
from dlcourse.training import DivergenceError, History, accuracy, evaluate, fit
from dlcourse.training.callbacks import Callback, Checkpoint, EarlyStopping
from dlcourse.training.data import batches, digits, split, standardise


def line(n: int = 20) -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(0).normal(size=(n, 2))
    return x, x @ np.array([[1.0], [-2.0]]) + 3


def linear() -> Linear:
    return Linear(2, 1, rng=np.random.default_rng(1))


def rng() -> np.random.Generator:
    return np.random.default_rng(2)


def test_a_small_network_learns_the_digits() -> None:
    train, test = split(digits(np.float32), 0.25, np.random.default_rng(0), stratified=True)
    x, x_test = standardise(train.x, test.x)
    generator = np.random.default_rng(0)
    model = Sequential(
        Linear(64, 64, rng=generator, dtype=np.float32), ReLU(),
        Linear(64, 10, rng=generator, dtype=np.float32),
    )  # fmt: skip
    history = fit(
        model, cross_entropy, Adam(model.parameters(), lr=0.003), (x, train.y),
        epochs=15, batch_size=64, generator=generator, validation=(x_test, test.y),
        metrics={"accuracy": accuracy}, progress=False,
    )  # fmt: skip
    share = np.mean(model(x_test).data.argmax(axis=1) == test.y)
    assert share > 0.95
    assert history["val_accuracy"][-1] == pytest.approx(share)
    assert history["loss"][-1] < 0.1 < history["loss"][0]
    assert len(history) == 15


def test_training_is_the_same_step_for_step_as_a_loop_in_pytorch() -> None:
    x, y = line(23)
    model, twin = linear(), torch.nn.Linear(2, 1).double()
    twin.load_state_dict({n: torch.from_numpy(a) for n, a in model.state_dict().items()})
    history = fit(model, mse, SGD(model.parameters(), lr=0.05, momentum=0.9), (x, y), epochs=3,
                  batch_size=5, generator=rng(), progress=False)  # fmt: skip
    optimizer = torch.optim.SGD(twin.parameters(), lr=0.05, momentum=0.9)
    generator = rng()
    for epoch in range(3):
        total = 0.0
        for a, b in batches(x, y, size=5, generator=generator):
            optimizer.zero_grad()
            loss = torch.nn.functional.mse_loss(twin(torch.tensor(a)), torch.tensor(b))
            loss.backward()
            optimizer.step()
            total += loss.item() * len(a)
        assert history["loss"][epoch] == pytest.approx(total / 23, rel=1e-9)
    np.testing.assert_allclose(model.weight.data, twin.weight.detach().numpy(), rtol=1e-9)


def test_an_optimizer_that_evaluates_the_loss_several_times_is_given_a_closure() -> None:
    model, (x, y) = linear(), line()
    history = fit(model, mse, LBFGS(model.parameters(), line_search_fn="strong_wolfe"), (x, y),
                  epochs=2, batch_size=20, generator=rng(), progress=False)  # fmt: skip
    assert history["loss"][0] > 1
    np.testing.assert_allclose(model.weight.data, [[1, -2]], atol=1e-4)


def test_the_columns_are_means_over_examples_whatever_the_batch() -> None:
    model, (x, y) = linear(), line(7)
    optimizer = SGD(model.parameters(), lr=0.0)
    measured = {"worst": lambda p, t: np.abs(p.data - t).mean()}
    history = fit(model, mse, optimizer, (x, y), epochs=2, batch_size=3, generator=rng(),
                  validation=(x, y), metrics=measured, progress=False)  # fmt: skip
    errors = model(x).data - y
    assert list(history.columns) == ["loss", "worst", "val_loss", "val_worst", "lr"]
    for name in ("loss", "val_loss"):
        np.testing.assert_allclose(history[name], [(errors**2).mean()] * 2)
    for name in ("worst", "val_worst"):
        np.testing.assert_allclose(history[name], [np.abs(errors).mean()] * 2)


class Modes(nn.Module):
    """Notes in which mode it is called."""

    def __init__(self) -> None:
        self.inner, self.dropout, self.seen = linear(), nn.Dropout(0.1).eval(), []

    def forward(self, x):
        self.seen.append(self.dropout.training)
        return self.inner(x)


def test_the_model_is_in_training_mode_while_it_learns_and_as_before_afterwards() -> None:
    model, (x, y) = Modes(), line(4)
    fit(model, mse, SGD(model.parameters(), lr=0.1), (x, y), epochs=2, batch_size=2,
        generator=rng(), validation=(x, y), progress=False)  # fmt: skip
    assert model.seen == [True, True, False, False] * 2
    assert model.training
    assert not model.dropout.training


@pytest.mark.parametrize(
    "make, each, rates",
    [
        (lambda o: StepLR(o, 1, gamma=0.5), "epoch", [0.1, 0.05, 0.025]),
        (lambda o: ExponentialLR(o, 0.5), "batch", [0.05, 0.0125, 0.003125]),
        (lambda o: ReduceLROnPlateau(o, patience=0, threshold=0.999), "epoch", [0.1, 0.1, 0.01]),
    ],
)
def test_a_schedule_steps_after_each_epoch_or_batch(make, each, rates) -> None:
    model, (x, y) = linear(), line(4)
    optimizer = SGD(model.parameters(), lr=0.1)
    history = fit(model, mse, optimizer, (x, y), epochs=3, batch_size=2, generator=rng(),
                  schedule=make(optimizer), schedule_each=each, progress=False)  # fmt: skip
    np.testing.assert_allclose(history["lr"], rates)


@pytest.mark.parametrize("validated", [True, False])
def test_a_schedule_that_waits_for_a_plateau_is_given_the_loss_of_the_epoch(validated) -> None:
    given = []

    class Noting(ReduceLROnPlateau):
        def step(self, metric) -> None:
            given.append(metric)

    model, (x, y) = linear(), line(6)
    optimizer = SGD(model.parameters(), lr=0.1)
    history = fit(
        model, mse, optimizer, (x, y), epochs=2, batch_size=3, generator=rng(),
        validation=(x[:2], y[:2]) if validated else None, schedule=Noting(optimizer),
        progress=False,
    )  # fmt: skip
    assert given == history["val_loss" if validated else "loss"]


def test_a_loss_that_is_nan_stops_training_before_the_parameters_are_spoilt() -> None:
    model, (x, y) = linear(), line()
    calls = []

    def loss(prediction, target):
        calls.append(model.weight.data.copy())
        return mse(prediction, target) * (np.nan if len(calls) == 6 else 1.0)

    with pytest.raises(DivergenceError, match=r"became nan in epoch 2\. .*learning rate") as error:
        fit(model, loss, SGD(model.parameters(), lr=0.1), (x, y), epochs=3, batch_size=5,
            generator=rng(), progress=False)  # fmt: skip
    assert len(calls) == 6
    np.testing.assert_array_equal(model.weight.data, calls[-1])
    assert len(error.value.history) == 1
    assert isinstance(error.value, FloatingPointError)


def test_a_learning_rate_that_is_too_large_is_reported() -> None:
    model, (x, y) = linear(), line()
    with np.errstate(all="ignore"), pytest.raises(DivergenceError, match="became inf"):
        fit(model, mse, SGD(model.parameters(), lr=100.0), (x, y), epochs=500, batch_size=20,
            generator=rng(), progress=False)  # fmt: skip


def test_an_interruption_keeps_the_history_so_far() -> None:
    model, (x, y) = linear(), line()
    calls = []

    def loss(prediction, target):
        calls.append(1)
        if len(calls) == 10:
            raise KeyboardInterrupt
        return mse(prediction, target)

    history = fit(model.eval(), loss, SGD(model.parameters(), lr=0.1), (x, y), epochs=9,
                  batch_size=5, generator=rng(), progress=False)  # fmt: skip
    assert history.interrupted
    assert len(history["loss"]) == 2
    assert repr(history).startswith("History of 2 epochs, interrupted")
    assert not model.training


@pytest.mark.parametrize(
    "change, message",
    [
        ({"epochs": -1}, "expected epochs >= 0, got -1"),
        ({"batch_size": 0}, "expected size >= 1, got 0"),
        ({"data": (np.ones((0, 2)), np.ones((0, 1)))}, "at least one example"),
        ({"validation": (np.ones((0, 2)), np.ones((0, 1)))}, "at least one example"),
        ({"data": (np.ones((3, 2)), np.ones((4, 1)))}, r"equally many; got shapes \(3, 2\), \(4"),
        ({"schedule_each": "step"}, 'schedule_each="epoch" or "batch", got \'step\''),
    ],
)
def test_what_cannot_be_trained_is_an_error(change, message) -> None:
    model = linear()
    arguments = {"data": line(), "epochs": 1, "batch_size": 5, "progress": False, **change}
    with pytest.raises(ValueError, match=message):
        fit(model, mse, SGD(model.parameters(), lr=0.1), generator=rng(), **arguments)


def test_no_epochs_leave_the_model_as_it_is() -> None:
    model = linear()
    before = model.state_dict()
    history = fit(model, mse, SGD(model.parameters(), lr=0.1), line(), 0, 5, rng())
    assert len(history) == 0
    assert repr(history) == "History of 0 epochs"
    np.testing.assert_array_equal(model.weight.data, before["weight"])


# --- Callbacks ------------------------------------------------------------------------------------


def train(model, losses, callbacks, **options):
    """As many epochs of one step as there are validation losses, which are as given."""
    x, y = line(4)
    given = iter(losses)
    return fit(
        model, mse, SGD(model.parameters(), lr=0.1), (x, y), epochs=len(losses), batch_size=4,
        generator=rng(), validation=(x, y), progress=False, callbacks=callbacks,
        metrics={"score": lambda *_: next(given) if not model.training else 0.0}, **options,
    )  # fmt: skip


class Noting(Callback):
    """Notes what is called and what it sees."""

    def __init__(self) -> None:
        self.calls = []

    def on_train_begin(self, run) -> None:
        self.calls.append(("begin", run.epoch, dict(run.numbers)))

    def on_epoch_begin(self, run) -> None:
        self.calls.append(("epoch", run.epoch))

    def on_batch_end(self, run) -> None:
        self.calls.append(("batch", run.numbers["loss"]))

    def on_epoch_end(self, run) -> None:
        self.calls.append(("epoch ends", run.epoch, dict(run.numbers), run.optimizer.lr))

    def on_train_end(self, run) -> None:
        self.calls.append(("end", run.epoch))


def test_callbacks_are_called_in_order_with_what_was_measured() -> None:
    model, noting = linear(), Noting()
    x, y = line(4)
    optimizer = SGD(model.parameters(), lr=0.1)
    history = fit(
        model, mse, optimizer, (x, y), epochs=2, batch_size=2, generator=rng(), progress=False,
        schedule=StepLR(optimizer, 1, gamma=0.5), callbacks=[Callback(), noting],
    )  # fmt: skip
    assert [call[0] for call in noting.calls] == [
        "begin", *["epoch", "batch", "batch", "epoch ends"] * 2, "end",
    ]  # fmt: skip
    assert noting.calls[0] == ("begin", 0, {})
    for i in (0, 1):
        row = {"loss": history["loss"][i], "lr": history["lr"][i]}
        assert noting.calls[4 * i + 4] == ("epoch ends", i + 1, row, history["lr"][i] / 2)
        assert noting.calls[4 * i + 3] == ("batch", history["loss"][i])
    assert noting.calls[-1] == ("end", 2)
    assert not history.stopped


@pytest.mark.parametrize(
    "options, numbers, epochs, best, stopped",
    [
        ({"patience": 1}, [3, 2, 2, 1], 3, 2, True),
        ({"patience": 2}, [3, 2, 4, 1, 5, 5, 5], 6, 4, True),
        ({"patience": 2, "min_delta": 0.5}, [3, 2.6, 2.4, 2.3, 2.2], 5, 3, True),
        ({"patience": 2, "mode": "max"}, [1, 2, 1, 1, 3], 4, 2, True),
        ({"patience": 1}, [np.nan, 1, 2], 1, 0, True),
        ({"patience": 9}, [3, 1, 2], 3, 2, False),
    ],
)
def test_training_stops_when_the_number_has_not_improved(
    options, numbers, epochs, best, stopped
) -> None:
    stopping = EarlyStopping("val_score", **options)
    history = train(linear(), numbers, [stopping])
    assert len(history) == epochs
    assert history.stopped is stopped
    assert repr(history).startswith(f"History of {epochs} epochs" + ", stopped" * stopped)
    assert stopping.best_epoch == best


@pytest.mark.parametrize("restore_best", [True, False])
def test_the_best_parameters_and_buffers_come_back(restore_best) -> None:
    model, states = Sequential(linear(), nn.BatchNorm1d(1)), []

    class Keeping(Callback):
        def on_epoch_end(self, run) -> None:
            states.append(run.model.state_dict())

    stopping = EarlyStopping("val_score", patience=2, restore_best=restore_best)
    train(model, [3, 1, 2, 2, 0], [Keeping(), stopping])
    expected = states[1 if restore_best else 3]
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value, expected[name])
    assert not np.array_equal(states[1]["1.running_mean"], states[3]["1.running_mean"])


def test_a_callback_can_be_used_again_in_another_run() -> None:
    stopping = EarlyStopping("val_score", patience=1)
    assert len(train(linear(), [1, 2, 2], [stopping])) == 2
    assert len(train(linear(), [5, 4, 6], [stopping])) == 3


def test_an_interruption_ends_the_callbacks_too() -> None:
    class Interrupting(Noting):
        def on_batch_end(self, run) -> None:
            if run.epoch == 2:
                raise KeyboardInterrupt

    noting = Interrupting()
    history = train(linear(), [1, 1, 1], [noting])
    assert history.interrupted
    assert len(history) == 1
    assert noting.calls[-1] == ("end", 2)


@pytest.mark.parametrize("best_only, epoch", [(True, 2), (False, 3)])
def test_a_checkpoint_has_all_to_go_on_from(best_only, epoch, tmp_path) -> None:
    path = tmp_path / "run"
    model = linear()
    saving = Checkpoint(path, "val_score", best_only=best_only)
    history = train(model, [3, 1, 2], [saving])
    state = load_checkpoint(path)
    assert state["epoch"] == epoch
    assert state["numbers"] == {name: column[epoch - 1] for name, column in history.columns.items()}
    assert state["schedule"] is None
    other = linear()
    other.load_state_dict(state["model"])
    SGD(other.parameters(), lr=1.0).load_state_dict(state["optimizer"])
    if best_only:
        assert not np.array_equal(other.weight.data, model.weight.data)
    else:
        np.testing.assert_array_equal(other.weight.data, model.weight.data)


def test_training_goes_on_from_a_checkpoint_as_if_it_had_not_stopped(tmp_path) -> None:
    def parts():
        model = linear()
        optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
        return model, optimizer, ExponentialLR(optimizer, 0.5)

    def go(model, optimizer, schedule, epochs, callbacks=()):
        fit(model, mse, optimizer, line(4), epochs, 4, rng(), schedule=schedule, progress=False,
            callbacks=callbacks)  # fmt: skip

    whole, first, second = parts(), parts(), parts()
    go(*whole, 4)
    go(*first, 2, [Checkpoint(tmp_path / "run", best_only=False)])
    state = load_checkpoint(tmp_path / "run")
    for part, name in zip(second, ("model", "optimizer", "schedule"), strict=True):
        part.load_state_dict(state[name])
    go(*second, 2)
    np.testing.assert_allclose(second[0].weight.data, whole[0].weight.data, rtol=1e-13)
    assert second[1].lr == whole[1].lr


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: EarlyStopping(patience=0), "EarlyStopping: expected patience >= 1, got 0"),
        (lambda: EarlyStopping(min_delta=-1.0), "EarlyStopping: expected min_delta >= 0, got -1"),
        (lambda: EarlyStopping(mode="best"), 'expected mode="min" or "max", got \'best\''),
        (lambda: Checkpoint("x", mode="best"), 'Checkpoint: expected mode="min" or "max"'),
        (lambda: train(linear(), [1], [EarlyStopping("accuracy")]),
         "EarlyStopping: expected to watch one of loss, score, val_loss, val_score, lr; got 'acc"),
    ],
)  # fmt: skip
def test_callbacks_that_make_no_sense_are_an_error(make, message) -> None:
    with pytest.raises(ValueError, match=message):
        make()


# --- Progress -------------------------------------------------------------------------------------


class Bar:
    def __init__(self, total, unit) -> None:
        self.total, self.done, self.texts, self.closed = total, 0, [], False
        bars.append(self)

    def __enter__(self):
        return self

    def __exit__(self, *error) -> None:
        self.closed = True

    def set_postfix_str(self, text, refresh) -> None:
        self.texts.append(text)

    def update(self) -> None:
        self.done += 1


bars: list[Bar] = []


def test_the_progress_bar_of_tqdm_counts_the_steps(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", SimpleNamespace(tqdm=Bar))
    bars.clear()
    model = linear()
    optimizer = SGD(model.parameters(), lr=0.1)
    history = fit(model, mse, optimizer, line(23), epochs=3, batch_size=5, generator=rng())
    (bar,) = bars
    assert bar.total == bar.done == 15
    assert bar.closed
    assert bar.texts[-1] == f"epoch 3/3, loss {history['loss'][-1]:.4g}"
    fit(model, mse, optimizer, line(), epochs=1, batch_size=5, generator=rng(), progress=False)
    assert len(bars) == 1


def test_without_tqdm_there_is_no_bar_and_no_word(monkeypatch, capfd) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)
    model = linear()
    history = fit(model, mse, SGD(model.parameters(), lr=0.1), line(), 2, 5, rng())
    assert len(history) == 2
    assert capfd.readouterr() == ("", "")


# --- History and metrics --------------------------------------------------------------------------


def test_a_history_prints_as_a_table_with_the_middle_left_out() -> None:
    history = History()
    for i in range(3):
        history.append(loss=1 / (i + 1), lr=0.1)
    assert repr(history) == (
        "History of 3 epochs\n"
        "epoch    loss   lr\n"
        "    1       1  0.1\n"
        "    2     0.5  0.1\n"
        "    3  0.3333  0.1"
    )
    for i in range(3, 40):
        history.append(loss=1 / (i + 1), lr=0.1)
    lines = repr(history).splitlines()
    assert len(lines) == 13
    assert [row.split()[0] for row in lines[2:]] == [*"12345", "...", *map(str, range(36, 41))]
    with pytest.raises(KeyError, match="no 'val_loss'; it has loss, lr"):
        history["val_loss"]


@pytest.mark.parametrize(
    "scores, labels, share",
    [
        ([[1, 3], [2, 0], [0, 1]], [1, 0, 0], 2 / 3),
        ([-1.0, 2.0, 0.5, -3.0], [0, 1, 0, 0], 3 / 4),
        ([[-1.0], [2.0]], [[0], [1]], 1.0),
        ([[-1.0], [2.0]], [1, 1], 1 / 2),
    ],
)
def test_accuracy_counts_the_largest_score_or_the_sign_of_a_logit(scores, labels, share) -> None:
    assert accuracy(np.array(scores), np.array(labels)) == pytest.approx(share)


def test_accuracy_needs_a_label_for_each_example() -> None:
    with pytest.raises(ValueError, match=r"got \(3, 2\) and \(3, 1\)"):
        accuracy(np.ones((3, 2)), np.ones((3, 1)))


def test_evaluate_measures_in_evaluation_mode() -> None:
    model, (x, y) = Sequential(nn.Dropout(0.5), linear()), line(9)
    found = evaluate(model, {"loss": mse}, (x, y), batch_size=4)
    assert found == pytest.approx({"loss": float(np.mean((model[1](x).data - y) ** 2))})
    assert model.training
