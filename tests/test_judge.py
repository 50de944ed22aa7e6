"""The judges, their scores of generated pictures, and the evaluate stage on published folders."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from zoo.judge_net import JudgeNet
from zoo.registries import DATASETS
from zoo.stages import _judge_features, _photograph_judge, _pocket_judge, evaluate, judge
from zoo.stages._context import Context

NAMES = ["ring", "bars"]
IMAGE_IDS = [f"{name}_{i}" for name in NAMES for i in range(6)]


def picture(image_id):
    """A ring or three bars, each a little different, (3, 64, 64) uint8."""
    kind, number = image_id.split("_")
    rng = np.random.default_rng([NAMES.index(kind), int(number)])
    y, x = np.mgrid[:64, :64] - 32 + rng.integers(-4, 5, size=2)[:, None, None]
    if kind == "ring":
        shape = np.abs(np.hypot(x, y) - rng.uniform(14, 20)) < 4
    else:
        shape = (np.abs(y) < 22) & ((x + 30) % rng.integers(12, 16) < 5)
    grey = 210 - 150 * shape + rng.normal(0, 6, shape.shape)
    return np.clip(np.stack([grey] * 3), 0, 255).astype(np.uint8)


class Shapes:
    """A data set of drawn shapes: only what the stages ask of it."""

    def images(self, image_ids, root, image_root=None):
        return np.stack([picture(i) for i in image_ids])


@pytest.fixture
def shapes(monkeypatch):
    monkeypatch.setattr(DATASETS, "create", lambda _name, **_params: Shapes())
    return {"dataset": "shapes", "dataset_params": {}}


@pytest.fixture
def prepared(tmp_path):
    """Folders `prepare` and `select` of 48 trials: 24 train, 24 test, in mixed order."""
    rng = np.random.default_rng(0)
    image_id = np.array(IMAGE_IDS * 4)[rng.permutation(48)]
    label = np.array([NAMES.index(i.split("_")[0]) for i in image_id])
    trial_id = np.array([f"t{i:02d}" for i in rng.permutation(48)])
    prepare, select = tmp_path / "prepare", tmp_path / "select"
    prepare.mkdir()
    select.mkdir()
    (prepare / "signal.json").write_text(json.dumps({"class_names": NAMES}))
    (prepare / "pairing.json").write_text(json.dumps({"image_known": False}))
    table = pd.DataFrame({"trial_id": trial_id, "label": label, "image_id": image_id})
    table.to_csv(prepare / "trials.csv", index=False)
    np.savez(
        select / "select.npz",
        rows=np.arange(48),
        trial_id=trial_id,
        label=label,
        true_label=label,
        split=np.array(["train", "test"] * 24),
        subject=np.zeros(48, dtype=int),
        session=np.array([""] * 48),
        run=np.array(["1"] * 48),
        image_id=image_id,
    )
    return {"prepare": prepare, "select": select}


@pytest.fixture
def context(tmp_path):
    return Context(work=tmp_path / "work")


def run(stage, inputs, params, folder, context):
    folder.mkdir()
    stage.run(inputs, params, folder, context)
    return folder


def generated(prepared, folder, *, drawn=picture, k=1):
    """Publish pictures of the images that the test trials showed, in another order."""
    with np.load(prepared["select"] / "select.npz") as select:
        test = np.flatnonzero(select["split"] == "test")[::-1]
        trial_id, image_id = select["trial_id"][test], select["image_id"][test]
    folder.mkdir()
    np.save(folder / "images.npy", np.stack([[drawn(i)] * k for i in image_id]))
    pd.DataFrame({"trial_id": trial_id}).to_csv(folder / "index.csv", index=False)
    return folder


def evaluated(metric, prepared, folder, context, *, inputs=None, **params):
    settings = {"metric": metric, "params": {}, "label": metric, "seed": 0, "split": "test"}
    settings |= params
    return run(evaluate, prepared | (inputs or {}), settings, folder, context)


def test_a_judge_from_stimuli_knows_blurred_ones_and_repeats(prepared, shapes, tmp_path, context):
    inputs = {"prepare": prepared["prepare"]}
    made = [
        run(
            judge,
            inputs,
            {**shapes, "judge": "stimuli", "seed": seed},
            tmp_path / f"j{seed}",
            context,
        )
        for seed in (0, 1)
    ]
    facts = json.loads((made[0] / "judge.json").read_text())
    assert facts["kind"] == "stimuli"
    assert facts["class_names"] == NAMES
    assert facts["n"] == 12
    assert facts["accuracy"] >= 0.9
    assert facts["accuracy_disturbed"] >= 0.8
    assert "one at a time" in facts["tested_on"]
    # One ruler whatever the seed of the recipe.
    first, second = ((folder / "judge.safetensors").read_bytes() for folder in made)
    assert first == second


@pytest.mark.parametrize("few", [2, 6])
def test_many_photographs_are_left_out_in_folds_that_hold_every_class(few, monkeypatch):
    monkeypatch.setattr(_photograph_judge, "LEAVE_ONE_OUT", 7)
    monkeypatch.setattr(_photograph_judge, "COPIES", 20)
    images = np.stack([picture(name) for name in IMAGE_IDS[6 - few :]])
    labels = np.repeat([0, 1], [few, 6])
    _, facts = _photograph_judge.train(images, labels)
    assert facts["tested_on"] == f"photographs left out in {few} folds"
    assert facts["n"] == few + 6


def test_a_judge_no_better_than_chance_is_refused(prepared, tmp_path, context, monkeypatch):
    class Noise:
        def images(self, image_ids, root, image_root=None):
            rng = np.random.default_rng(0)
            return rng.integers(0, 256, size=(len(image_ids), 3, 64, 64), dtype=np.uint8)

    monkeypatch.setattr(DATASETS, "create", lambda _name, **_params: Noise())
    params = {"dataset": "noise", "dataset_params": {}, "judge": "stimuli", "seed": 0}
    folder = run(judge, {"prepare": prepared["prepare"]}, params, tmp_path / "j", context)
    reason = json.loads((folder / "judge.json").read_text())["reason"]
    assert reason.startswith("not computed: the judge made from the stimuli names")
    assert not (folder / "judge.safetensors").exists()


def test_a_judge_from_stimuli_needs_two_pictures_of_each_class(prepared, shapes, tmp_path, context):
    table = pd.read_csv(prepared["prepare"] / "trials.csv")
    table[table["image_id"] != "bars_0"].query("label == 0").to_csv(
        prepared["prepare"] / "trials.csv", index=False
    )
    params = {**shapes, "judge": "stimuli", "seed": 0}
    folder = run(judge, {"prepare": prepared["prepare"]}, params, tmp_path / "j", context)
    reason = json.loads((folder / "judge.json").read_text())["reason"]
    assert reason == "not computed: a judge made from the stimuli needs two pictures of bars"


def test_pictures_in_to_figures_out(prepared, shapes, tmp_path, context):
    params = {**shapes, "judge": "stimuli", "seed": 0}
    folders = {"judge": run(judge, prepared, params, tmp_path / "judge", context)}
    folders["generate"] = generated(prepared, tmp_path / "generate", k=2)
    tower = {"tower": "judge"}
    folders["features"] = run(_judge_features, folders, tower, tmp_path / "features", context)
    assert np.load(folders["features"] / "judge_logits.npy").shape == (24, 2, 2)
    (prepared["prepare"] / "pairing.json").write_text(json.dumps({"image_known": True}))
    folder = evaluated(
        "image_class_accuracy", prepared, tmp_path / "metric", context, inputs=folders
    )
    metric = json.loads((folder / "metric.json").read_text())
    assert metric["value"] == 1  # the pictures are those that were seen, aligned by trial id
    assert metric["n"] == 24
    assert "(n = 12)" in metric["definition"]
    assert "per_sample" not in metric
    scores = pd.read_csv(folder / "per_sample.csv")
    with np.load(prepared["select"] / "select.npz") as select:
        test = select["split"] == "test"
        assert scores["trial_id"].tolist() == select["trial_id"][test].tolist()
        # Images are known and shown repeatedly: they are the clusters.
        assert scores["cluster"].tolist() == select["image_id"][test].tolist()
    copies = evaluated(
        "copy_share", prepared, tmp_path / "copies", context,
        inputs={"generate": folders["generate"]}, pictures=["train_images"], **shapes,
    )  # fmt: skip
    assert json.loads((copies / "metric.json").read_text())["value"] == 1


def test_without_a_judge_the_reason_reaches_the_figure(prepared, tmp_path, context):
    params = {"dataset": "d", "dataset_params": {}, "judge": None, "seed": 0}
    folders = {"judge": run(judge, prepared, params, tmp_path / "judge", context)}
    folders["generate"] = generated(prepared, tmp_path / "generate")
    tower = {"tower": "judge"}
    folders["features"] = run(_judge_features, folders, tower, tmp_path / "features", context)
    folder = evaluated("image_class_accuracy", prepared, tmp_path / "m", context, inputs=folders)
    metric = json.loads((folder / "metric.json").read_text())
    assert metric["value"] is None
    assert metric["reason"] == "not computed: data set d names no judge"


def test_logits_are_aligned_by_trial_id_and_labels_are_the_true_ones(prepared, tmp_path, context):
    with np.load(prepared["select"] / "select.npz") as stored:
        select = dict(stored)
    encode = tmp_path / "encode"
    encode.mkdir()
    order = np.random.default_rng(1).permutation(48)
    np.save(encode / "trial_ids.npy", select["trial_id"][order])
    np.save(encode / "logits.npy", np.eye(2, dtype=np.float32)[select["true_label"][order]])
    shuffled = select["label"].copy()
    shuffled[select["split"] == "train"] = 1 - shuffled[select["split"] == "train"]
    np.savez(prepared["select"] / "select.npz", **(select | {"label": shuffled}))
    folder = evaluated("accuracy", prepared, tmp_path / "m", context, inputs={"encode": encode})
    assert json.loads((folder / "metric.json").read_text())["value"] == 1


def test_runs_of_the_same_name_in_two_sessions_are_two(prepared, tmp_path, context):
    with np.load(prepared["select"] / "select.npz") as stored:
        select = dict(stored)
    session = np.array(["a", "b", "c", "d", "e", "f"])[np.arange(48) // 2 % 6]
    np.savez(prepared["select"] / "select.npz", **(select | {"session": session}))
    encode = tmp_path / "encode"
    encode.mkdir()
    np.save(encode / "trial_ids.npy", select["trial_id"])
    np.save(encode / "logits.npy", np.eye(2, dtype=np.float32)[select["true_label"]])
    folder = evaluated("accuracy", prepared, tmp_path / "m", context, inputs={"encode": encode})
    assert set(pd.read_csv(folder / "per_sample.csv")["cluster"]) == {
        f"0/{name}/1" for name in "abcdef"
    }


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """A judge of three classes as it ships: fp16 weights and a config."""
    folder = tmp_path / "shipped"
    folder.mkdir()
    torch.manual_seed(0)
    network = JudgeNet(3, width=4).eval()
    state = {k: v.half() for k, v in network.state_dict().items() if v.is_floating_point()}
    save_file(state, folder / "model.safetensors")
    config = {"n_classes": 3, "width": 4, "class_names": ["daisy", *NAMES]}
    config["accuracy"] = {"held_out_drawings": 0.99, "held_out_drawings_rebuilt": 0.97, "n": 500}
    (folder / "config.json").write_text(json.dumps(config))
    monkeypatch.setattr(_pocket_judge, "SHIPPED", folder)
    return network


def test_the_shipped_judge_answers_in_the_data_set_s_order(shipped, prepared, tmp_path, context):
    params = {"dataset": "d", "dataset_params": {}, "judge": "pocket", "seed": 0}
    (prepared["prepare"] / "signal.json").write_text(json.dumps({"class_names": NAMES[::-1]}))
    folders = {"judge": run(judge, prepared, params, tmp_path / "judge", context)}
    facts = json.loads((folders["judge"] / "judge.json").read_text())
    assert (facts["accuracy"], facts["n"], facts["columns"]) == (0.99, 500, [2, 1])
    folders["generate"] = generated(prepared, tmp_path / "generate")
    features = run(_judge_features, folders, {"tower": "judge"}, tmp_path / "features", context)
    images = np.load(folders["generate"] / "images.npy")[:, 0]
    with torch.no_grad():
        expected = shipped(torch.from_numpy(images).float() / 127.5 - 1).numpy()[:, [2, 1]]
    found = np.load(features / "judge_logits.npy")[:, 0]
    assert np.allclose(found, expected, atol=0.02)  # the weights were rounded to fp16


@pytest.mark.usefixtures("shipped")
def test_the_shipped_judge_is_not_asked_about_classes_it_does_not_know(prepared, tmp_path, context):
    params = {"dataset": "d", "dataset_params": {}, "judge": "pocket", "seed": 0}
    (prepared["prepare"] / "signal.json").write_text(json.dumps({"class_names": ["ring", "yak"]}))
    folder = run(judge, prepared, params, tmp_path / "judge", context)
    reason = json.loads((folder / "judge.json").read_text())["reason"]
    assert reason == "not computed: needs a judge that knows yak"


def test_features_survive_flat_and_large_pictures():
    flat = _photograph_judge.features(_photograph_judge.shrink(np.full((2, 3, 100, 100), 7)))
    assert np.isfinite(flat).all()
    assert flat.shape == (2, 768)
    large = np.kron(picture("ring_0"), np.ones((1, 3, 3), dtype=np.uint8))[None]
    small = _photograph_judge.features(_photograph_judge.shrink(picture("ring_0")[None]))
    assert np.allclose(
        _photograph_judge.features(_photograph_judge.shrink(large)), small, atol=1e-5
    )
