"""The training loop: order, schedule, selection, averages, exact resuming after a kill."""

from __future__ import annotations

import csv
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from registry import UserError
from zoo.optimisation import Batches, adamw, lr_factor
from zoo.processes import Processes
from zoo.training import TrainingDiverged, fit

TRAIN = {
    "epochs": 3, "steps": None, "batch_size": 8, "lr": 1e-2, "weight_decay": 0.01,
    "schedule": "cosine", "warmup": 0.1, "grad_clip": 1.0, "accumulate": 1, "ema": None,
    "precision": "fp32", "select": "best", "snapshots": [],
}  # fmt: skip


class Problem:
    """A small regression with what could break exact resuming: dropout and batch norm."""

    def __init__(self, n_items: int = 33):
        generator = torch.Generator().manual_seed(0)
        self.x = torch.randn(n_items, 5, generator=generator)
        self.y = self.x.sum(1, keepdim=True).tanh()
        with torch.random.fork_rng():
            torch.manual_seed(1)
            self.model = nn.Sequential(
                nn.Linear(5, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 1)
            )
        self.seen: list[np.ndarray] = []

    def loss(self, indices: np.ndarray, batch: int) -> torch.Tensor:
        self.seen.append(indices)
        return (self.model(self.x[indices]) - self.y[indices]).square().mean()

    def fit(self, folder: Path, **changes):
        arguments = {
            "groups": {"all": list(self.model.parameters())},
            "loss": self.loss,
            "n_items": len(self.x),
            "seed": 0,
            "state": {"model": self.model},
            "checkpoint": folder / "work",
            "description": "train problem",
            "log": folder / "log.csv",
        }
        settings = {k: changes.pop(k) for k in list(changes) if k in TRAIN}
        return fit(**{**arguments, **changes}, train={**TRAIN, **settings})


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "log.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_item_once_per_epoch_and_no_batch_of_one():
    batches = Batches(33, 8, seed=3)
    assert batches.per_epoch == 4
    epochs = [[batches[b] for b in range(4 * e, 4 * e + 4)] for e in range(2)]
    assert [len(b) for b in epochs[0]] == [8, 8, 8, 9]
    for epoch in epochs:
        assert sorted(np.concatenate(epoch)) == list(range(33))
    assert not np.array_equal(np.concatenate(epochs[0]), np.concatenate(epochs[1]))
    assert np.array_equal(Batches(33, 8, seed=3)[6], epochs[1][2])  # batches need no history


def test_learning_rate_rises_then_falls_to_zero():
    rates = [lr_factor(s, 100, schedule="cosine", warmup=0.1) for s in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == rates[10] == 1.0
    assert rates[10:] == sorted(set(rates[10:]), reverse=True)
    assert rates[-1] < 0.01
    assert lr_factor(99, 100, schedule="constant", warmup=0.1) == 1.0


def test_decay_spares_biases_and_lr_goes_by_group():
    layer, other = nn.Linear(3, 2), nn.Linear(2, 2)
    groups = {"lora": list(layer.parameters()), "attn2": list(other.parameters())}
    rates = {"lora": 0.1, "attn2": 0.2, "unet": 9.0}  # a group that is not opened is ignored
    optimiser = adamw(groups, lr=rates, weight_decay=0.5, description="d")
    found = [(g["full_lr"], g["weight_decay"]) for g in optimiser.param_groups]
    assert found == [(0.1, 0.5), (0.1, 0.0), (0.2, 0.5), (0.2, 0.0)]
    with pytest.raises(UserError, match=r"train\.lr has no learning rate for 'attn2'; it names lo"):
        adamw(groups, lr={"lora": 0.1}, weight_decay=0.5, description="d")


def test_trains_and_logs(tmp_path):
    problem = Problem()
    summary = problem.fit(tmp_path, epochs=20, validate=lambda: {"val_loss": 1.0})
    rows = rows_of(tmp_path)
    assert list(rows[0]) == ["step", "epoch", "loss", "lr", "val_loss", "seconds"]
    assert float(rows[-1]["loss"]) < 0.5 * float(rows[0]["loss"])
    assert (summary["steps"], summary["epochs"], summary["selected"]) == (80, 20, "last")
    assert not problem.model.training
    assert sum(len(i) for i in problem.seen) == 20 * 33


class SecondOfTwo(Processes):
    """The second of two processes; what the first one gives to every sum is zero."""

    def sum(self, tensors) -> None:
        assert self.count == 2


def test_half_precision_where_a_process_has_no_share_of_the_batch(tmp_path):
    problem = Problem()
    before = [p.detach().clone() for p in problem.model.parameters()]
    summary = problem.fit(
        tmp_path,
        loss=lambda *_: torch.zeros(()),
        precision="fp16",
        weight_decay=0.0,
        processes=SecondOfTwo(1, 2),
    )
    assert summary["steps"] == 12
    assert all(torch.equal(*pair) for pair in zip(before, problem.model.parameters(), strict=True))


def test_accumulating_equals_a_larger_batch(tmp_path):
    results = []
    for name, settings in {
        "large": {"batch_size": 32},
        "small": {"batch_size": 8, "accumulate": 4},
    }.items():
        problem = Problem(32)
        problem.model = nn.Linear(5, 1)
        nn.init.constant_(problem.model.weight, 0.1)
        nn.init.zeros_(problem.model.bias)
        (tmp_path / name).mkdir()
        summary = problem.fit(tmp_path / name, epochs=4, **settings)
        assert summary["steps"] == 4
        results.append(problem.model.weight.detach().clone())
    torch.testing.assert_close(results[0], results[1])


def test_best_epoch_is_kept_and_ties_go_to_the_earlier(tmp_path):
    problem = Problem()
    scores = iter([0.2, 0.7, 0.7, 0.3])
    weights = []

    def validate() -> dict[str, float]:
        assert not problem.model.training
        weights.append(problem.model[0].weight.detach().clone())
        return {"val_accuracy": next(scores)}

    summary = problem.fit(tmp_path, epochs=4, validate=validate, select_by="val_accuracy")
    assert (summary["selected"], summary["selected_epoch"]) == ("best", 2)
    assert summary["selected_value"] == 0.7
    assert torch.equal(problem.model[0].weight, weights[1])
    assert not torch.equal(weights[1], weights[3])


def test_averaged_weights_are_validated_and_returned(tmp_path):
    problem, last = Problem(), {}

    def validate() -> dict[str, float]:
        last["weight"] = problem.model[0].weight.detach().clone()
        return {"val_accuracy": 0.0}

    problem.fit(tmp_path, ema=0.9, select="last", validate=validate)
    plain = Problem()
    (tmp_path / "plain").mkdir()
    plain.fit(tmp_path / "plain", select="last")
    assert torch.equal(problem.model[0].weight, last["weight"])
    assert not torch.equal(problem.model[0].weight, plain.model[0].weight)
    torch.testing.assert_close(problem.model[0].weight, plain.model[0].weight, atol=0.1, rtol=0)


def test_no_steps_leave_everything_as_it_came(tmp_path):
    problem = Problem()
    before = {k: v.clone() for k, v in problem.model.state_dict().items()}
    summary = problem.fit(
        tmp_path, epochs=None, steps=0, validate=lambda: {"val_accuracy": 0.4},
        select_by="val_accuracy",
    )  # fmt: skip
    assert (summary["selected"], summary["selected_value"]) == ("last", None)
    assert all(torch.equal(v, before[k]) for k, v in problem.model.state_dict().items())
    assert rows_of(tmp_path)[0]["val_accuracy"] == "0.4"


def test_snapshots_hold_the_weights_of_their_step(tmp_path):
    problem = Problem()
    summary = problem.fit(tmp_path, epochs=None, steps=6, snapshots=[3, 6], schedule="constant")
    states = [torch.load(summary["snapshots"][step], weights_only=True)["model"] for step in (3, 6)]
    assert torch.equal(states[1]["0.weight"], problem.model[0].weight)
    assert not torch.equal(states[0]["0.weight"], states[1]["0.weight"])


def test_a_snapshot_after_the_last_step_is_refused_before_the_first(tmp_path):
    problem = Problem()
    with pytest.raises(UserError, match=r"train\.snapshots has 100, but .* after 4 steps"):
        problem.fit(tmp_path, epochs=1, snapshots=[4, 100])
    assert not problem.seen
    problem.fit(tmp_path, epochs=1, snapshots=[4])


def test_a_diverging_loss_is_reported(tmp_path):
    problem = Problem()
    problem.x[:] = torch.nan
    with pytest.raises(TrainingDiverged, match="train problem: the loss is nan at step 1; lower t"):
        problem.fit(tmp_path)


@pytest.mark.parametrize("ema", [None, 0.9])
def test_a_last_step_that_ends_in_nan_is_reported(tmp_path, ema):
    """The loss of that step is a number, its gradient is not, and no later loss would tell."""
    problem = Problem()

    def loss(indices: np.ndarray, batch: int) -> torch.Tensor:
        nothing = 0 * problem.model[0].weight.sum()
        return problem.loss(indices, batch) + (nothing.sqrt() if batch == 11 else 0)

    groups = {"all": list(problem.model.parameters())}
    arguments = {"train": {**TRAIN, "ema": ema}, "n_items": 33, "seed": 0, "description": "train d"}
    with pytest.raises(TrainingDiverged, match="d: weights are NaN or infinite after step 12"):
        fit(
            groups=groups, loss=loss, state={"model": problem.model},
            checkpoint=tmp_path / "work", log=tmp_path / "log.csv", **arguments,
        )  # fmt: skip


def test_a_foreign_or_damaged_checkpoint_is_refused(tmp_path):
    Problem().fit(tmp_path)
    with pytest.raises(UserError, match=r"checkpoint of another training \(batch_size 8, now 4\)"):
        Problem().fit(tmp_path, batch_size=4)
    (tmp_path / "work" / "last.pt").write_bytes(b"half a file")
    with pytest.raises(UserError, match=r"last\.pt cannot be read .*; delete it"):
        Problem().fit(tmp_path)


def run_to_completion(folder: Path) -> dict[str, torch.Tensor]:
    """Train with averages, selection and dropout; what the killed process below does too."""
    problem = Problem()

    def validate() -> dict[str, float]:
        error = (problem.model(problem.x) - problem.y).square().mean()
        return {"val_accuracy": -float(error)}

    problem.fit(folder, epochs=12, ema=0.95, validate=validate, select_by="val_accuracy")
    return problem.model.state_dict()


KILLED = """
import sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
import torch
torch.set_num_threads({threads})
from zoo import training
import test_training
training.CHECKPOINT_SECONDS = 0
whole = test_training.Problem.loss
def slow(self, indices, batch):
    print(batch, flush=True)
    time.sleep(0.02)
    return whole(self, indices, batch)
test_training.Problem.loss = slow
test_training.run_to_completion(Path({folder!r}))
"""


def test_a_killed_training_resumes_bit_identically(tmp_path, monkeypatch):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    killed.mkdir()
    expected = run_to_completion(whole)

    script = KILLED.format(
        tests=str(Path(__file__).parent), folder=str(killed), threads=torch.get_num_threads()
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) == 19:
            process.send_signal(signal.SIGKILL)
            break
    process.stdout.close()
    assert process.wait() == -signal.SIGKILL
    assert not (killed / "log.csv").exists()

    batches = []
    loss = Problem.loss
    monkeypatch.setattr(
        Problem, "loss", lambda self, i, batch: batches.append(batch) or loss(self, i, batch)
    )
    resumed = run_to_completion(killed)
    assert 15 <= batches[0] <= 20, "the second run must continue, not start over"
    assert batches[-1] == 47
    assert resumed.keys() == expected.keys()
    assert all(torch.equal(resumed[name], expected[name]) for name in expected)
    timeless = [[{**r, "seconds": ""} for r in rows_of(f)] for f in (whole, killed)]
    assert timeless[0] == timeless[1]


def test_a_finished_training_is_not_repeated(tmp_path):
    first = run_to_completion(tmp_path)
    problem = Problem()
    problem.fit(
        tmp_path, epochs=12, ema=0.95, validate=lambda: pytest.fail("validated again"),
        select_by="val_accuracy",
    )  # fmt: skip
    assert not problem.seen
    assert torch.equal(problem.model[0].weight, first["0.weight"])
