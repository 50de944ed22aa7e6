"""The encode stage: what it publishes and refuses; training never sees test trials."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from registry import UserError
from zoo.contracts import DataError, SignalInfo
from zoo.stages._context import Context
from zoo.stages._encoder import (
    BATCH,
    build_encoder,
    normalised,
    settle_batch_norm,
    tokens_of,
)
from zoo.stages.encode import run

N_CHANS, N_TIMES, CLASSES = 4, 64, ("mug", "pizza")
TRAIN = {
    "epochs": 6, "steps": None, "batch_size": 16, "lr": 0.01, "weight_decay": 0.01,
    "schedule": "cosine", "warmup": 0.05, "grad_clip": 1.0, "accumulate": 1, "ema": None,
    "precision": "fp32", "select": "best", "snapshots": [],
}  # fmt: skip


class Data:
    """120 trials of two subjects, the class in the sign of a bump; rows 0-3 are not selected."""

    def __init__(self, folder: Path):
        rng = np.random.default_rng(0)
        self.folder, n = folder, 124
        self.label = np.arange(n) % 2
        bump = np.exp(-0.5 * ((np.arange(N_TIMES) - 30) / 8) ** 2)
        self.eeg = 1e-5 * rng.normal(size=(n, N_CHANS, N_TIMES))
        self.eeg += 1e-5 * (2 * self.label - 1)[:, None, None] * bump
        self.rows = rng.permutation(np.arange(4, n))
        self.split = np.array(["train"] * 80 + ["val"] * 20 + ["test"] * 20)
        self.subject = np.array([0] * 100 + [1] * 20)
        self.normalise = "channel"

    def write(self) -> dict[str, Path]:
        inputs = {role: self.folder / role for role in ("prepare", "select")}
        for path in inputs.values():
            path.mkdir(parents=True, exist_ok=True)
        np.save(inputs["prepare"] / "eeg.npy", self.eeg.astype(np.float32))
        signal = SignalInfo(
            n_chans=N_CHANS, n_times=N_TIMES, sfreq=128.0, ch_names=("A", "B", "C", "D"),
            ch_pos=None, scale="microvolt", band=None, reference="average", n_subjects=3,
            class_names=CLASSES,
        )  # fmt: skip
        (inputs["prepare"] / "signal.json").write_text(json.dumps(signal.to_json()))
        train = np.nan_to_num(self.eeg[self.rows[self.split == "train"]], posinf=0)
        np.savez(
            inputs["select"] / "select.npz",
            rows=self.rows,
            trial_id=np.array([f"t{row:03d}" for row in self.rows]),
            label=self.label[self.rows],
            split=self.split,
            subject=self.subject,
            image_id=np.array([f"picture{row}" for row in self.rows]),
            trial_key=self.rows.astype(np.uint64),
            unit_key=self.rows.astype(np.uint64) // 10,
            mean_C=train.mean((0, 2)),
            std_C=train.std((0, 2)),
            normalise=np.array(self.normalise),
        )
        return inputs

    def encode(self, name: str = "out", init: Path | None = None, **changes: Any) -> Path:
        inputs, out = self.write(), self.folder / name
        out.mkdir()
        if init is not None:
            inputs["init"] = init
        encoder = changes.pop("encoder", {"name": "eegnet", "params": {"embed_dim": 8}})
        params = {
            "encoder": encoder,
            "objective": {"name": "classify", "params": {}},
            "train": {**TRAIN, **changes},
            "seed": 0,
        }
        run(inputs, params, out, Context(work=self.folder / f"work-{name}"))
        return out


@pytest.fixture
def data(tmp_path: Path) -> Data:
    return Data(tmp_path)


def test_publishes_tokens_and_logits_of_every_selected_trial(data: Data):
    out = data.encode()
    tokens, logits = np.load(out / "tokens.npy"), np.load(out / "logits.npy")
    assert (tokens.shape, tokens.dtype) == ((120, 1, 8), np.float16)
    assert (logits.shape, logits.dtype) == ((120, 2), np.float32)
    assert np.load(out / "trial_ids.npy").tolist() == [f"t{row:03d}" for row in data.rows]
    right = logits.argmax(1) == data.label[data.rows]
    assert right[data.split == "test"].mean() > 0.8

    record = json.loads((out / "encode.json").read_text())
    assert record["selected_on"] == "val"
    assert 1 <= record["selected_epoch"] <= 6
    assert record["val_accuracy"] == pytest.approx(right[data.split == "val"].mean())
    assert record["trials"] == {"train": 80, "val": 20, "test": 20}
    header = (out / "log.csv").read_text().splitlines()[0]
    assert header == "step,epoch,loss,lr,val_accuracy,val_loss,seconds"


def test_the_published_encoder_gives_the_published_tokens(data: Data):
    out = data.encode()
    built = json.loads((out / "encoder.json").read_text())
    encoder = build_encoder(built, SignalInfo.from_json(built["signal"]), seed=99)
    encoder.load_state_dict(load_file(out / "encoder.safetensors"))
    eeg = normalised(
        data.eeg[data.rows].astype(np.float32), built["normalise"],
        np.array(built["mean"]), np.array(built["std"]),
    )  # fmt: skip
    tokens = tokens_of(encoder.eval(), torch.from_numpy(eeg), torch.zeros(120, dtype=torch.long))
    np.testing.assert_allclose(tokens.numpy(), np.load(out / "tokens.npy"), atol=2e-2)
    assert BATCH > 1


def test_the_same_request_gives_the_same_files(data: Data):
    one, other = data.encode("one"), data.encode("other")
    for name in ("encoder.safetensors", "objective.safetensors", "tokens.npy", "logits.npy"):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


def test_test_trials_change_nothing_in_training(data: Data):
    one = data.encode("one")
    data.eeg[data.rows[data.split == "test"]] *= 3
    data.label[data.rows[data.split == "test"]] = 0
    other = data.encode("other")
    for name in ("encoder.safetensors", "objective.safetensors"):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    assert not np.array_equal(np.load(one / "tokens.npy"), np.load(other / "tokens.npy"))


def test_without_validation_trials_the_last_epoch_is_taken(data: Data):
    data.split[data.split == "val"] = "train"
    record = json.loads((data.encode() / "encode.json").read_text())
    assert (record["selected"], record["selected_on"]) == ("last", None)
    assert record["val_accuracy"] is None
    assert record["selected_epoch"] == 6


def test_starting_from_another_encoder_without_steps_keeps_it(data: Data):
    first = data.encode("first")
    second = data.encode("second", init=first, epochs=None, steps=0)
    assert (first / "tokens.npy").read_bytes() == (second / "tokens.npy").read_bytes()


def test_an_encoder_without_steps_learns_nothing_of_the_new_recordings(data: Data, tmp_path: Path):
    first = data.encode("first")
    other = Data(tmp_path / "other")
    other.eeg = 50 * other.eeg + 1e-3
    other.normalise = "none"  # the scale reaches the encoder
    out = other.encode("zero-shot", init=first, epochs=None, steps=0)
    for name in ("encoder.safetensors", "objective.safetensors"):
        assert (out / name).read_bytes() == (first / name).read_bytes(), name
    record = json.loads((out / "encode.json").read_text())
    assert (record["selected"], record["selected_on"], record["steps"]) == ("last", None, 0)


def test_starting_from_another_shape_is_refused(data: Data):
    first = data.encode("first")
    with pytest.raises(
        UserError, match=r"init_from: the weights of encoder\.safetensors do not fit"
    ):
        data.encode("second", init=first, encoder={"name": "eegnet", "params": {"embed_dim": 9}})


@pytest.mark.parametrize("part", ["train", "val", "test"])
def test_nan_is_refused_by_trial(data: Data, part: str):
    rows = data.rows[data.split == part][:2]
    data.eeg[rows[0], 1, 5] = np.nan
    data.eeg[rows[1], 0, 0] = np.inf
    first = min(rows, key=data.rows.tolist().index)
    expected = f"trial t{first:03d} and 1 others of the {part} split hold(s) NaN or infinite"
    with pytest.raises(DataError, match=re.escape(expected)):
        data.encode()


def test_a_single_class_is_refused(data: Data):
    data.label[:] = 1
    with pytest.raises(DataError, match=r"holds 80 trials of 1 class\(es\) \(pizza\)"):
        data.encode()


@pytest.mark.parametrize(("part", "factor"), [("final", 1e8), ("running_var", torch.nan)])
def test_tokens_beyond_float16_are_refused(data: Data, part: str, factor: float):
    first = data.encode("first", epochs=1)
    weights = load_file(first / "encoder.safetensors")
    assert any(part in name for name in weights)
    save_file({k: v * factor if part in k else v for k, v in weights.items()},
              first / "encoder.safetensors")  # fmt: skip
    with pytest.raises(UserError, match="exceed the range of float16"):
        data.encode("second", init=first, epochs=None, steps=0)


def test_normalising():
    eeg = np.random.default_rng(0).normal(5, 3, size=(6, 2, 50)).astype(np.float32)
    eeg[:, 1] = 7  # a channel that never moves
    mean, std = eeg.mean((0, 2)), eeg.std((0, 2))
    channel = normalised(eeg, "channel", mean, std)
    assert channel[:, 0].mean() == pytest.approx(0, abs=1e-5)
    assert channel[:, 0].std() == pytest.approx(1, abs=1e-5)
    assert abs(channel[:, 1]).max() < 1e-5
    trial = normalised(eeg, "trial", mean, std)
    np.testing.assert_allclose(trial[:, 0].mean(1), 0, atol=1e-5)
    np.testing.assert_allclose(trial[:, 0].std(1), 1, atol=1e-5)
    assert not np.allclose(channel[:, 0].mean(1), 0, atol=1e-3)
    assert np.array_equal(normalised(eeg, "none", mean, std), eeg)


@pytest.mark.parametrize("registered", [(0, 1), (1, 0)])
def test_batch_norm_is_settled_as_the_encoder_is_evaluated(registered: tuple[int, int]):
    """The second norm's statistics are those of what reaches it without dropout."""
    norms = nn.BatchNorm1d(3), nn.BatchNorm1d(3)
    with torch.no_grad():
        norms[0].weight.mul_(3)
    eeg_NCT = torch.randn(BATCH + 40, 3, 50, generator=torch.Generator().manual_seed(0))
    eeg_NCT += torch.tensor([5.0, 0, -2])[:, None]

    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.norms = nn.ModuleList(norms[i] for i in registered)
            self.unused = nn.BatchNorm1d(7)
            self.dropout = nn.Dropout(0.9)

        def forward(self, eeg_BCT, subject_B):
            return norms[1](self.dropout(norms[0](eeg_BCT))).flatten(1)

    encoder = Encoder().eval()
    settle_batch_norm(encoder, eeg_NCT, torch.zeros(len(eeg_NCT)))
    assert not any(module.training for module in encoder.modules())
    torch.testing.assert_close(norms[0].running_mean, eeg_NCT.mean((0, 2)), atol=1e-3, rtol=0)
    torch.testing.assert_close(norms[1].running_var, torch.full((3,), 9.0), atol=0.1, rtol=0)
    assert norms[1].momentum == 0.1
    assert not any(module._forward_pre_hooks for module in encoder.modules())
