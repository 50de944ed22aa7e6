"""The stages prepare and select: what they publish, and that the test never reaches training."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from zoo.contracts import TRIAL_COLUMNS, DataError, SignalInfo
from zoo.datasets.pocket import Pocket
from zoo.registries import DATASETS
from zoo.stages import prepare, select
from zoo.stages._context import Context

PARAMS = {"n_classes": 3, "images_per_class": 18, "subjects": [1, 3], "band": [5, 95]}
SELECT_ONLY = ("split", "limit", "normalise", "shuffle_labels")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    out = tmp_path_factory.mktemp("prepare")
    params = {"dataset": "pocket", "params": PARAMS, "fingerprint": "simulated"}
    prepare.run({}, params, out, Context(work=out))
    return out


def selected(prepared, out, seed=None, **params):
    """Run select; return its arrays and the overlaps."""
    out.mkdir(exist_ok=True, parents=True)
    given = {"dataset": "pocket", "params": {**PARAMS, **params}, "seed": seed}
    select.run({"prepare": prepared}, given, out, Context(work=out))
    with np.load(out / "select.npz", allow_pickle=False) as arrays:
        found = {name: arrays[name] for name in arrays.files}
    shares = json.loads((out / "splits.json").read_text())["shares"]
    return found, {name: own["test_with_train"] for name, own in shares.items() if name != "eeg"}


def test_prepare_publishes_what_load_returns(prepared):
    trials = Pocket(**PARAMS).load()
    eeg = np.load(prepared / "eeg.npy", mmap_mode="r", allow_pickle=False)
    assert np.array_equal(eeg, trials.eeg)
    table = select.read_table(prepared)
    assert tuple(table.columns) == TRIAL_COLUMNS
    assert table.trial_id.tolist() == trials.table.trial_id.tolist()
    assert table.run.tolist() == trials.table.run.tolist()
    signal = SignalInfo.from_json(json.loads((prepared / "signal.json").read_text()))
    assert signal == trials.signal
    assert json.loads((prepared / "notes.json").read_text()) == list(trials.notes)


def test_pictures_that_were_not_seen_split_nothing(prepared, tmp_path):
    unknown = tmp_path / "prepare"
    shutil.copytree(prepared, unknown)
    (unknown / "pairing.json").write_text('{"image_known": false}')
    assert "image" not in selected(unknown, tmp_path / "a")[1]
    assert "image" in selected(prepared, tmp_path / "b")[1]
    with pytest.raises(DataError, match="split is by image, but"):
        selected(unknown, tmp_path / "c", split={"by": "image", "test": ["x"], "val": []})


def test_select_publishes_aligned_rows(prepared, tmp_path):
    arrays, overlap = selected(prepared, tmp_path)
    table = select.read_table(prepared).iloc[arrays["rows"]]
    assert arrays["trial_id"].tolist() == table.trial_id.tolist()
    assert arrays["image_id"].tolist() == table.image_id.tolist()
    assert np.array_equal(arrays["label"], table.label)
    assert np.array_equal(arrays["label"], arrays["true_label"])
    assert np.array_equal(arrays["split"], Pocket(**PARAMS).split_of(select.read_table(prepared)))
    assert arrays["trained_classes"].tolist() == [0, 1, 2]
    assert str(arrays["normalise"]) == "channel"
    # by image: no image is shared; one block per class: every block is
    assert overlap == {"image": 0.0, "block": 1.0, "run": 1.0, "session": 1.0, "subject": 1.0}


def test_overlap_is_told_truthfully(prepared, tmp_path):
    _, overlap = selected(prepared, tmp_path, split={"by": "subject", "test": [3]})
    assert overlap == {"image": 1.0, "block": 0.0, "run": 0.0, "session": 0.0, "subject": 0.0}
    told = json.loads((tmp_path / "splits.json").read_text())
    assert told["independent"] == "block"
    assert told["same_eeg"] == {"test_with_train": [], "test_with_val": []}
    assert told["shares"]["image"] == {"test_with_train": 1.0}, "there is no validation"
    assert told["shares"]["eeg"] == {"test_with_train": 0.0}
    block = {"by": "block", "test": [0]}
    _, overlap = selected(prepared, tmp_path, split=block, subjects=[1])
    assert overlap["block"] == 0
    assert overlap["run"] == 1


def test_every_pair_of_splits_is_held_against_each_other(prepared, tmp_path):
    split = {"by": "subject", "test": [3], "val": [1]}
    with pytest.raises(DataError, match="no subject to train on"):
        selected(prepared, tmp_path, split=split)
    selected(prepared, tmp_path)
    shares = json.loads((tmp_path / "splits.json").read_text())["shares"]
    assert shares["eeg"] == {"test_with_train": 0, "test_with_val": 0, "val_with_train": 0}
    assert shares["block"] == {"test_with_train": 1, "test_with_val": 1, "val_with_train": 1}
    assert shares["image"] == {"test_with_train": 0, "test_with_val": 0, "val_with_train": 0}


def test_trials_and_blocks_are_named_the_same_in_every_selection(prepared, tmp_path):
    """Lineages are compared by these names: across splits, bands, windows and subjects."""
    one, _ = selected(prepared, tmp_path / "one")
    other = tmp_path / "prepare"
    other.mkdir()
    params = {**PARAMS, "subjects": [3], "band": None, "window": [0.1, 0.3], "resample": 100}
    settings = {"dataset": "pocket", "params": params, "fingerprint": "simulated"}
    prepare.run({}, settings, other, Context(work=other))
    two, _ = selected(other, tmp_path / "two", split={"by": "block", "test": [1]}, subjects=[3])
    for name in ("trial_key", "unit_key"):
        first = dict(zip(one["trial_id"], one[name], strict=True))
        assert [first[trial] for trial in two["trial_id"]] == two[name].tolist()
    assert len(np.unique(one["trial_key"])) == len(one["trial_id"])
    assert len(np.unique(one["unit_key"])) == 3 * 2, "three blocks of each of two subjects"
    table = select.read_table(prepared)
    table["onset"] += 1
    moved = select.keys("pocket", table, ["trial_id", "onset", "image_id"])
    assert not np.isin(moved, one["trial_key"]).any(), "another recording of the same names"


def test_a_split_of_an_unknown_name_is_refused(prepared, tmp_path, monkeypatch):
    monkeypatch.setattr(Pocket, "split_of", lambda _self, table: np.full(len(table), "Test"))
    with pytest.raises(AssertionError, match="split_of gave"):
        selected(prepared, tmp_path)


def test_normalisation_comes_from_training_trials(prepared, tmp_path):
    arrays, _ = selected(prepared, tmp_path)
    eeg = np.load(prepared / "eeg.npy")[arrays["rows"][arrays["split"] == "train"]]
    assert np.allclose(arrays["mean_C"], eeg.mean(axis=(0, 2)), atol=1e-4)
    assert np.allclose(arrays["std_C"], eeg.std(axis=(0, 2)), rtol=1e-4)
    arrays, _ = selected(prepared, tmp_path, normalise="trial")
    assert str(arrays["normalise"]) == "trial"
    assert (arrays["mean_C"] == 0).all()
    assert (arrays["std_C"] == 1).all()


def test_a_channel_that_never_moves_becomes_zero():
    eeg = np.random.default_rng(0).normal(3, 2, (300, 4, 10)).astype(np.float32)
    eeg[:, 1] = 7
    mean, std = select.channel_statistics(eeg, np.arange(300))
    assert mean[1] == pytest.approx(7)
    assert std[1] == 1
    assert std[0] == pytest.approx(2, rel=0.1)


def test_changing_test_trials_changes_nothing_in_training(prepared, tmp_path):
    options = {"limit": 9, "shuffle_labels": True}
    before, _ = selected(prepared, tmp_path / "a", seed=0, **options)
    part = Pocket(**PARAMS).split_of(select.read_table(prepared))
    other = tmp_path / "other"
    other.mkdir()
    eeg = np.load(prepared / "eeg.npy")
    eeg[part == "test"] = np.random.default_rng(0).normal(0, 99, eeg[part == "test"].shape)
    np.save(other / "eeg.npy", eeg)
    table = select.read_table(prepared)
    table.loc[part == "test", "onset"] += 1
    table.to_csv(other / "trials.csv", index=False)
    shutil.copyfile(prepared / "pairing.json", other / "pairing.json")
    after, _ = selected(other, tmp_path / "b", seed=0, **options)
    for name in ("rows", "trial_id", "label"):
        keep = before["split"] != "test"
        assert np.array_equal(before[name][keep], after[name][keep])
    for name in ("mean_C", "std_C"):
        assert np.array_equal(before[name], after[name])


def test_shuffled_labels_stay_within_subjects_and_leave_the_test(prepared, tmp_path):
    arrays, _ = selected(prepared, tmp_path, seed=0, shuffle_labels=True)
    test = arrays["split"] == "test"
    assert np.array_equal(arrays["label"][test], arrays["true_label"][test])
    assert (arrays["label"][~test] != arrays["true_label"][~test]).mean() > 0.4
    for subject in np.unique(arrays["subject"]):
        rows = (arrays["subject"] == subject) & ~test
        assert sorted(arrays["label"][rows]) == sorted(arrays["true_label"][rows])
    again, _ = selected(prepared, tmp_path, seed=0, shuffle_labels=True)
    assert np.array_equal(arrays["label"], again["label"])
    other, _ = selected(prepared, tmp_path, seed=1, shuffle_labels=True)
    assert not np.array_equal(arrays["label"], other["label"])


def test_shuffled_labels_take_their_pictures_along(prepared, tmp_path):
    """A conditioner is trained on EEG and picture: it must be told no more than the encoder."""
    plain, apart = selected(prepared, tmp_path / "plain")
    arrays, overlap = selected(prepared, tmp_path / "shuffled", seed=0, shuffle_labels=True)
    test = arrays["split"] == "test"
    assert np.array_equal(arrays["image_id"][test], plain["image_id"][test])
    assert (arrays["image_id"][~test] == plain["image_id"][~test]).mean() < 0.1
    label_of = dict(zip(plain["image_id"], plain["label"], strict=True))
    assert arrays["label"].tolist() == [label_of[image] for image in arrays["image_id"]]
    for subject in np.unique(arrays["subject"]):
        rows = (arrays["subject"] == subject) & ~test
        assert sorted(arrays["image_id"][rows]) == sorted(plain["image_id"][rows])
    assert overlap == apart  # a picture of the test stays unseen
    for name in ("rows", "trial_id", "true_label", "mean_C"):
        assert np.array_equal(arrays[name], plain[name]), name


@pytest.mark.parametrize("limit", [2, 3, 7, 12])
def test_limit_keeps_the_same_classes_in_every_split(prepared, tmp_path, limit):
    arrays, _ = selected(prepared, tmp_path, limit=limit)
    classes = []
    for part in ("train", "val", "test"):
        labels = arrays["label"][arrays["split"] == part]
        assert len(labels) == min(limit, 18)
        counts = np.bincount(labels)
        assert counts[counts > 0].max() - counts[counts > 0].min() <= 1
        classes.append(set(labels))
    assert classes[0] == classes[1] == classes[2]
    assert len(classes[0]) == min(3, limit)


def test_a_limit_by_split_leaves_the_others_whole_and_grows_by_adding(prepared, tmp_path):
    plain, _ = selected(prepared, tmp_path / "all")
    kept = {}
    for count in (6, 24):
        arrays, _ = selected(prepared, tmp_path / str(count), limit={"train": count})
        kept[count] = set(arrays["trial_id"][arrays["split"] == "train"])
        assert len(kept[count]) == count
        for part in ("val", "test"):
            mine, all_of_it = arrays["split"] == part, plain["split"] == part
            assert arrays["trial_id"][mine].tolist() == plain["trial_id"][all_of_it].tolist()
    assert kept[6] < kept[24]


def test_few_test_trials_do_not_take_classes_from_training():
    table = pd.DataFrame({"trial_id": [f"t{i}" for i in range(80)], "label": np.arange(80) % 10})
    split = np.where(np.arange(80) < 40, "train", "test")
    kept = select.within_limit(table, split, {"train": 30, "test": 4})
    assert np.bincount(table.label[kept & (split == "train")]).tolist() == [3] * 10
    assert sorted(table.label[kept & (split == "test")]) == [0, 1, 2, 3]
    kept = select.within_limit(table, split, {"train": 4, "test": 20})
    assert np.bincount(table.label[kept & (split == "test")]).tolist() == [4] * 4  # what it learned


def test_limit_of_splits_without_a_common_class():
    table = pd.DataFrame({"trial_id": [f"t{i}" for i in range(40)], "label": np.arange(40) // 10})
    split = np.where(table.label < 3, "train", "test")
    kept = select.within_limit(table, split, 6)
    assert (kept & (split == "train")).sum() == 6
    assert (kept & (split == "test")).sum() == 6


def test_subjects_are_chosen_where_prepare_kept_all(prepared, tmp_path):
    arrays, _ = selected(prepared, tmp_path, subjects=[3])
    assert set(arrays["subject"]) == {2}
    with pytest.raises(DataError, match="dataset.params.subjects: there is no subject '2'"):
        selected(prepared, tmp_path, subjects=[2])


def test_an_empty_split_is_refused(prepared, tmp_path):
    split = {"by": "subject", "test": [3]}
    with pytest.raises(DataError, match="the test split of data set 'pocket' holds no trial"):
        selected(prepared, tmp_path, split=split, subjects=[1])


def test_a_limit_of_nothing_is_refused_as_an_empty_split(prepared, tmp_path, monkeypatch):
    monkeypatch.setattr(Pocket, "split_of", lambda _self, table: np.full(len(table), ""))
    with pytest.raises(DataError, match="the train split of data set 'pocket' holds no trial"):
        selected(prepared, tmp_path, limit=4)


def test_samples_that_are_not_numbers_are_refused():
    trials = Pocket(n_classes=2, images_per_class=6, subjects=[1]).load()
    eeg = trials.eeg.copy()
    eeg[4, 0, 3] = np.nan
    with pytest.raises(
        DataError, match=r"1 of 12 trials hold samples .* \(the first is s1_r1_0004\)"
    ):
        prepare.check_trials(replace(trials, eeg=eeg), "pocket")


def test_the_engine_may_leave_out_what_only_select_needs():
    """Every parameter that select alone uses has a default, so prepare can do without."""
    for spec in DATASETS.specs():
        assert all(spec.parameter(name) is not None for name in SELECT_ONLY), spec.name
        assert not any(spec.parameter(name).required for name in SELECT_ONLY), spec.name
