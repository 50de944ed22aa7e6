"""The test stays out of training: guarded rows, and weights that no test trial can move."""

from __future__ import annotations

import inspect
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from condition_toys import TRAIN as DENOISE
from condition_toys import context, inputs, params, toy_pictures
from recipe_toys import registered
from safetensors.torch import load_file
from test_encode_stage import TRAIN, Data

from registry import component
from zoo.checks.tiny_stable_diffusion import write_tiny_stable_diffusion
from zoo.conditioners.linear import Linear
from zoo.contracts import SignalInfo
from zoo.datasets.pocket import Pocket
from zoo.objectives.classify import Classify
from zoo.registries import CONDITIONERS, OBJECTIVES
from zoo.stages import condition, encode, features, prepare, select
from zoo.stages._context import Context
from zoo.stages._guard import Guarded, LeakError, guarded, guarded_file
from zoo.stages._targets import ImageTarget, LabelTarget

__all__ = ["inputs", "toy_pictures"]  # fixtures

SIGNAL = SignalInfo(
    n_chans=4, n_times=64, sfreq=128.0, ch_names=("A", "B", "C", "D"), ch_pos=None,
    scale="microvolt", band=None, reference="average", n_subjects=3, class_names=("mug", "pizza"),
)  # fmt: skip

# ---- the guard itself

OPEN = np.array([True, False, True, True])


@pytest.mark.parametrize("values", [np.arange(8.0).reshape(4, 2), torch.arange(8.0).view(4, 2)])
def test_open_rows_are_read_and_shut_ones_raise(values: Any) -> None:
    view = guarded(values, OPEN, "label")
    assert (len(view), view.shape) == (4, (4, 2))
    assert np.asarray(view[OPEN]).tolist() == values[[0, 2, 3]].tolist()
    assert np.asarray(view[torch.from_numpy(OPEN)]).tolist() == values[[0, 2, 3]].tolist()
    assert np.asarray(view[2:]).tolist() == values[2:].tolist()
    assert np.asarray(view[3]).tolist() == values[3].tolist()
    shut: list[Any] = [1, -3, [0, 1], slice(None), ~OPEN, np.array([1]), torch.tensor([1, 2])]
    for rows in shut:
        with pytest.raises(LeakError, match="the label of 1 trial"):
            view[rows]
    with pytest.raises(LeakError):
        np.asarray(view)
    with pytest.raises(LeakError):
        list(view)


def test_a_file_is_guarded_where_it_lies() -> None:
    view = guarded_file(np.arange(10), np.array([7, 2]))
    assert view[np.array([2, 7, 7])].tolist() == [2, 7, 7]
    with pytest.raises(LeakError, match="the EEG of 1 trial"):
        view[np.array([2, 3])]


# ---- components that reach for the test


def _callers() -> Iterator[dict[str, Any]]:
    frame = inspect.currentframe()
    while frame is not None:
        yield frame.f_locals
        frame = frame.f_back


@component("objective", target="label")
class NosyObjective(Classify):
    """Trains on whatever its callers hold of the test."""

    reach = "label"

    def __init__(self, *, n_tokens: int, embed_dim: int, n_outputs: int):
        super().__init__(n_tokens=n_tokens, embed_dim=embed_dim, n_outputs=n_outputs)

    def forward(self, tokens_BLD: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        for names in _callers():
            for value in names.values():
                if self.reach == "target" and isinstance(value, LabelTarget):
                    value.of("test")
                elif self.reach != "target" and isinstance(value, encode._Selected):
                    test = value.split == "test"
                    reached = getattr(value, self.reach)
                    reached[value.rows[test] if self.reach == "eeg_PCT" else test]
        return super().forward(tokens_BLD, target)


@pytest.mark.parametrize(
    ("reach", "what"),
    [("label", "label"), ("subject", "subject"), ("image_id", "image_id"), ("eeg_PCT", "EEG"),
     ("target", "label")],
)  # fmt: skip
def test_an_objective_cannot_reach_the_test(tmp_path: Path, reach: str, what: str) -> None:
    data = Data(tmp_path)
    settings = {
        "encoder": {"name": "eegnet", "params": {"embed_dim": 8}},
        "objective": {"name": "nosy", "params": {}},
        "train": {**TRAIN, "epochs": 1},
        "seed": 0,
    }
    NosyObjective.reach = reach
    with (
        registered(OBJECTIVES, "nosy", NosyObjective),
        pytest.raises(LeakError, match=f"the {what} of 20 trial"),
    ):
        encode.run(data.write(), settings, tmp_path, Context(work=tmp_path / "work"))


def test_features_of_test_pictures_are_out_of_reach(tmp_path: Path) -> None:
    trials = encode._Selected.read(Data(tmp_path).write(), SIGNAL)
    features_NF = torch.arange(240.0).view(120, 2)
    target = ImageTarget(trials.image_id, trials.split, features_NF, {})
    _, shut = encode._without_test(trials, target)
    assert torch.equal(shut.of("train"), features_NF[trials.split == "train"])
    assert len(shut.candidates("val")[0]) == 20
    assert shut.supplied() == {"target_width": 2}
    for ask in (shut.of, shut.candidates):
        with pytest.raises(LeakError):
            ask("test")


@component("conditioner", training="denoise")
class NosyConditioner(Linear):
    """Trains on whatever its callers hold of the test."""

    def __init__(self, *, n_tokens: int, embed_dim: int, pipeline: Any):
        super().__init__(n_tokens=n_tokens, embed_dim=embed_dim, pipeline=pipeline)

    def forward(self, tokens_BLD: torch.Tensor, **more: Any) -> Any:
        views = [v for names in _callers() for v in names.values() if isinstance(v, Guarded)]
        for view in views:
            view[len(view) - 1]
        assert views, "the stage no longer guards its trials"
        return super().forward(tokens_BLD, **more)


def test_a_conditioner_cannot_reach_the_test(
    inputs: dict[str, Path],
    tmp_path: Path,
) -> None:
    settings = {**params(name="nosy"), "train": DENOISE}
    with registered(CONDITIONERS, "nosy", NosyConditioner), pytest.raises(LeakError, match="token"):
        condition.run(inputs, settings, tmp_path, context(tmp_path))


def test_pictures_of_the_test_are_out_of_a_conditioner_s_reach(
    inputs: dict[str, Path], tmp_path: Path
) -> None:
    settings = {**params(), "train": DENOISE}
    trials, tokens = condition._training_trials(inputs, settings)
    rows = trials.positions("train")[:5]  # others saw the rest of the pictures
    shown = trials.image_id[rows]
    found = condition._Batches.read(inputs, settings, trials, tokens, rows, context(tmp_path))
    latents = load_file(inputs["features"] / "features.safetensors")["mean"]
    assert len(found.latent_mean_Ichw) == len(found.latent_std_Ichw) == len(set(shown))
    assert len(set(shown)) < len(latents)
    names = json.loads((inputs["features"] / "image_ids.json").read_text())
    wanted = latents[[names.index(one) for one in shown]]
    assert torch.equal(found.latent_mean_Ichw[found.image_N], wanted)


# ---- a whole chain, with everything about the test changed

POCKET = {"n_classes": 2, "images_per_class": 12, "subjects": [1, 3], "blocks_per_class": 3}
BY_RUN = {"by": "run", "test": ["3"], "val": ["2"]}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("weights")
    write_tiny_stable_diffusion(root / "tiny")
    return root


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("prepare")
    settings = {"dataset": "pocket", "params": POCKET, "fingerprint": "simulated"}
    prepare.run({}, settings, out, Context(work=out))
    return out


def spoiled(recorded: Path, out: Path, parts: tuple[str, ...]) -> Path:
    """Return a copy of the prepared trials with EEG and table changed in some splits."""
    shutil.copytree(recorded, out)
    table = select.read_table(recorded)
    split = Pocket(**POCKET, split=BY_RUN).split_of(table)
    rng = np.random.default_rng(0)
    eeg = np.load(out / "eeg.npy")
    for part in parts:
        rows = np.flatnonzero(split == part)
        eeg[rows] = rng.normal(3, 99, eeg[rows].shape)
        for column in ("trial_id", "label", "image_id", "onset", "block"):
            table.loc[rows, column] = rng.permutation(table[column].to_numpy()[rows])
    np.save(out / "eeg.npy", eeg)
    table.to_csv(out / "trials.csv", index=False)
    return out


def chain(prepared: Path, folder: Path, weights: Path, rule: str) -> dict[str, Any]:
    """Return what select, encode and condition made of the training trials."""
    given: dict[str, Path] = {"prepare": prepared}

    def run(stage: Any, name: str, settings: dict[str, Any]) -> Path:
        out = folder / name
        out.mkdir(parents=True)
        stage.run(given, settings, out, Context(work=folder / f"work {name}", weights_root=weights))
        given[name] = out
        return out

    data = {"dataset": "pocket", "params": {**POCKET, "split": BY_RUN}, "seed": None}
    chosen = run(select, "select", data)
    block = {"name": "eegnet", "params": {"embed_dim": 8}}
    objective = {"name": "classify", "params": {}}
    train = {**TRAIN, "epochs": 3, "batch_size": 4, "select": rule}
    settings = {"encoder": block, "objective": objective, "train": train, "seed": 0}
    encoded = run(encode, "encode", settings)
    pipeline = {"name": "stable_diffusion", "params": {"weights": "tiny", "image_size": 16}}
    pictures = {"tower": "vae", "dataset": "pocket", "dataset_params": POCKET}
    run(features, "features", {**pictures, "pipeline": pipeline["name"], **pipeline})
    settings = {**params(), "pipeline": pipeline, "train": DENOISE}
    trained = run(condition, "condition", settings)
    with np.load(chosen / "select.npz") as stored:
        train_N = stored["split"] == "train"
        arrays = {name: stored[name] for name in ("mean_C", "std_C")}
        arrays |= {name: stored[name][train_N] for name in ("label", "trial_id", "trial_key")}
    arrays["tokens"] = np.load(encoded / "tokens.npy")[train_N]
    files = [encoded / f"{name}.safetensors" for name in ("encoder", "objective")]
    files += [trained / f"{name}.safetensors" for name in ("conditioner", "denoiser")]
    return {**arrays, **{file.name: np.frombuffer(file.read_bytes(), "u1") for file in files}}


@pytest.mark.parametrize(("parts", "rule"), [(("test",), "best"), (("val", "test"), "last")])
def test_what_is_trained_depends_on_training_trials_alone(
    recorded: Path, weights: Path, tmp_path: Path, parts: tuple[str, ...], rule: str
) -> None:
    """Statistics, tokens and weights are the same bits, whatever the other trials hold."""
    one = chain(recorded, tmp_path / "one", weights, rule)
    changed = spoiled(recorded, tmp_path / "spoiled", parts)
    other = chain(changed, tmp_path / "other", weights, rule)
    for name, values in one.items():
        assert np.array_equal(values, other[name]), name
    spoilt = spoiled(recorded, tmp_path / "train", ("train",))
    third = chain(spoilt, tmp_path / "third", weights, rule)
    assert not np.array_equal(one["mean_C"], third["mean_C"]), "nothing was changed"
