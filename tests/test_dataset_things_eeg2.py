"""THINGS-EEG2: files of the exact format, read, averaged, split; what is wrong is said."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from registry import BadParameters
from zoo.checks import check_dataset
from zoo.contracts import DataError
from zoo.datasets.things_eeg2 import POSTERIOR, ThingsEEG2
from zoo.seeds import numpy_rng
from zoo.simulate import simulations
from zoo.simulate.things_eeg2 import CH_NAMES, FULL, SMALL, Size, _card, write

SIZE = Size(2, 6, 3, 3, 2, 4, posterior=True)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "things"
    write(folder, SIZE, seed=3)
    return folder


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    """Return a copy that a test may spoil."""
    return Path(shutil.copytree(made, tmp_path / "things"))


def stored(root: Path, subject: str = "01", partition: str = "training") -> dict[str, Any]:
    """Return what the file says to whoever unpickles it."""
    with (root / f"sub-{subject}" / f"preprocessed_eeg_{partition}.npy").open("rb") as file:
        return pickle.load(file)


def store(root: Path, content: dict[str, Any], subject: str = "01") -> None:
    file = root / f"sub-{subject}" / "preprocessed_eeg_training.npy"
    file.write_bytes(pickle.dumps(content, 4))


def test_single_repetitions_keep_the_promises_too(made: Path):
    check_dataset("things_eeg2", made, repetitions="all", subjects=[1])


def test_the_made_files_are_of_the_published_form(made: Path):
    training, test = stored(made), stored(made, partition="test")
    assert list(training) == ["preprocessed_eeg_data", "ch_names", "times"]
    assert training["preprocessed_eeg_data"].shape == (18, 2, 17, 250)
    assert test["preprocessed_eeg_data"].shape == (3, 4, 17, 250)
    assert training["preprocessed_eeg_data"].dtype == np.float64
    assert training["preprocessed_eeg_data"].std() == pytest.approx(1, abs=0.2)
    assert tuple(training["ch_names"]) == POSTERIOR == CH_NAMES[-17:]
    assert len(set(CH_NAMES)) == 63
    assert len(training["times"]) == 300
    assert training["times"][50] == 0
    assert json.loads((made / "SIMULATED.json").read_text())["seed"] == 3
    assert len(list((made / "training_images").glob("0000?_*/*.jpg"))) == 18


def test_the_same_seed_makes_the_same_files(made: Path, tmp_path: Path):
    write(tmp_path / "again", SIZE, seed=3)
    for file in sorted(path for path in made.rglob("*") if path.is_file()):
        assert (tmp_path / "again" / file.relative_to(made)).read_bytes() == file.read_bytes()


def test_test_concepts_are_new_pairs_of_known_classes_and_colours():
    from zoo.simulate.things_eeg2 import TESTED, TRAINED

    assert not set(TESTED) & set(TRAINED)
    assert {k for k, _ in TESTED} <= {k for k, _ in TRAINED}
    assert {colour for _, colour in TESTED} <= {colour for _, colour in TRAINED}
    assert "things_eeg2" in simulations()
    assert FULL.bytes_written > 10e9 > 1e9 > SMALL.bytes_written
    assert np.asarray(_card("object_0040", numpy_rng(0, "card"))).std() > 5


def test_trials_are_means_of_their_repetitions(made: Path):
    trials = ThingsEEG2(subjects=["02"]).load(made)
    assert trials.eeg.shape == (21, 17, 250)
    expected = np.concatenate(
        [stored(made, "02", p)["preprocessed_eeg_data"].mean(1) for p in ("training", "test")]
    )
    np.testing.assert_allclose(trials.eeg, expected, atol=1e-6)
    assert trials.repetitions.tolist() == [2] * 18 + [4] * 3
    assert trials.table.subject.unique().tolist() == [1]
    assert trials.signal.n_subjects == 2
    assert "EEG averaged over 2 repetitions in training and 4 in the test" in trials.notes
    assert any("simulated" in note for note in trials.notes)


@pytest.mark.parametrize("split", ["images", "all", {"by": "subject", "test": ["1"]}])
def test_notes_do_not_tell_of_a_split_that_is_made_later(made: Path, split: Any):
    notes = ThingsEEG2(subjects=[1], split=split).load(made).notes
    assert notes == ThingsEEG2(subjects=[1]).load(made).notes
    assert not any("validation" in note for note in notes)


def test_repetitions_can_be_trials_of_their_own(made: Path):
    trials = ThingsEEG2(repetitions="all", subjects=[1]).load(made)
    assert trials.eeg.shape == (18 * 2 + 3 * 4, 17, 250)
    data = stored(made)["preprocessed_eeg_data"]
    np.testing.assert_allclose(trials.eeg[7], data[3, 1], atol=1e-6)
    row = trials.table.iloc[7]
    assert row.trial_id == "sub-01_training_00004_rep02"
    assert row.image_id.startswith("training_images/00002_")
    assert set(trials.repetitions) == {1}


def test_pictures_stand_in_the_order_of_conditions(made: Path):
    table = ThingsEEG2(subjects=[1]).load(made).table
    files = sorted((made / "training_images").rglob("*.jpg"))
    expected = [file.relative_to(made).as_posix() for file in files]
    assert table.image_id[:18].tolist() == expected
    assert table.label.tolist() == [*np.repeat(range(6), 3), 6, 7, 8]


def test_what_numpy_saved_is_the_same_data_set(root: Path):
    before = ThingsEEG2(subjects=[1]).load(root)
    np.save(root / "sub-01" / "preprocessed_eeg_training.npy", stored(root))
    after = ThingsEEG2(subjects=[1]).load(root)
    assert np.array_equal(before.eeg, after.eeg)


def test_window_rate_and_channels(made: Path):
    data = stored(made)["preprocessed_eeg_data"].mean(1)
    cut = ThingsEEG2(window=[0.1, 0.5], subjects=[1], channels=["Oz", "P7"]).load(made)
    assert cut.signal.ch_names == ("Oz", "P7")
    np.testing.assert_allclose(cut.eeg[:18], data[:, [15, 0], 25:125], atol=1e-6)
    slow = ThingsEEG2(resample=125, subjects=[1]).signal(made)
    assert (slow.n_times, slow.sfreq) == (125, 125)
    with pytest.raises(DataError, match=r"epochs of sub-01 reach from 0 to 1 s"):
        ThingsEEG2(window=[-0.2, 0.5]).load(made)
    with pytest.raises(DataError, match="sub-01 has no channel 'Cz'; it has: P7"):
        ThingsEEG2(channels=["Cz"]).load(made)


def test_epochs_that_keep_their_baseline_start_at_the_onset(root: Path):
    content = stored(root)
    baseline = np.full((18, 2, 17, 50), 9.0)
    content["preprocessed_eeg_data"] = np.concatenate(
        [baseline, content["preprocessed_eeg_data"]], axis=3
    )
    store(root, content)
    signal = ThingsEEG2(subjects=[1]).signal(root)
    assert signal.n_times == 250
    assert ThingsEEG2(subjects=[1], window=[-0.2, 1.0]).signal(root).n_times == 300


def test_splits(made: Path):
    table = ThingsEEG2().load(made).table
    tested = (table.run == "test").to_numpy()
    for split in ("concepts", "images", "all"):
        part = ThingsEEG2(split=split).split_of(table)
        assert (part[tested] == "test").all()
        assert not (part[~tested] == "test").any()
        assert (part == "val").sum() == {"concepts": 6, "images": 2, "all": 0}[split]
    concepts = ThingsEEG2(split="concepts").split_of(table)
    assert not set(table.label[concepts == "val"]) & set(table.label[concepts == "train"])
    left_out = ThingsEEG2(split={"by": "subject", "test": ["2"], "val": []}).split_of(table)
    assert (left_out[(table.subject == 1) & tested] == "test").all()
    assert (left_out[(table.subject == 1) & ~tested] == "").all()
    assert (left_out[(table.subject == 0) & tested] == "").all()
    assert (left_out[(table.subject == 0) & ~tested] == "train").all()


def test_pictures_and_recordings_may_lie_elsewhere(root: Path, tmp_path: Path):
    before = ThingsEEG2(subjects=[1]).load(root)
    pictures = tmp_path / "elsewhere" / "Image_set"
    pictures.mkdir(parents=True)
    (root / "training_images").rename(pictures / "train_images")
    (root / "test_images").rename(pictures / "test_images")
    inner = root / "Preprocessed_data_250Hz"
    inner.mkdir()
    for subject in ("sub-01", "sub-02"):
        (root / subject).rename(inner / subject)
    dataset = ThingsEEG2(subjects=[1])
    after = dataset.load(root, tmp_path / "elsewhere")
    assert before.table.equals(after.table)
    assert dataset.images(after.table.image_id[:2].tolist(), root, tmp_path / "elsewhere").any()
    with pytest.raises(DataError, match="no training_images or train_images in .* --image-root"):
        dataset.load(root)
    (root / "other" / "sub-01").mkdir(parents=True)
    shutil.copy(inner / "sub-01" / "preprocessed_eeg_training.npy", root / "other" / "sub-01")
    with pytest.raises(DataError, match="recordings in Preprocessed_data_250Hz, other; name one"):
        dataset.load(root)


def test_what_is_wrong_is_said(root: Path, tmp_path: Path):
    dataset = ThingsEEG2(subjects=[1])
    with pytest.raises(DataError, match=r"holds no sub-\*/preprocessed_eeg_training\.npy"):
        dataset.load(tmp_path / "things" / "sub-01")
    with pytest.raises(DataError, match="there is no subject '7'; there are: 01, 02"):
        ThingsEEG2(subjects=[7]).load(root)
    good = stored(root)
    store(root, {key: good[key] for key in ("preprocessed_eeg_data", "times")})
    with pytest.raises(
        DataError, match="has no 'ch_names'; it holds: preprocessed_eeg_data, times"
    ):
        dataset.load(root)
    store(root, {**good, "ch_names": ["Oz"]})
    with pytest.raises(DataError, match="names 1 channels and holds 17"):
        dataset.load(root)
    store(root, {**good, "times": good["times"][:9]})
    with pytest.raises(DataError, match="has 9 times for 250 samples"):
        dataset.load(root)
    store(root, {**good, "preprocessed_eeg_data": good["preprocessed_eeg_data"][:17]})
    with pytest.raises(DataError, match=r"has 17 conditions, but .* holds 18 pictures"):
        dataset.load(root)
    store(root, {**good, "ch_names": good["ch_names"][::-1]}, subject="02")
    store(root, good)
    with pytest.raises(DataError, match="sub-02/preprocessed_eeg_training.npy has other channels"):
        ThingsEEG2().load(root)
    (root / "sub-01" / "preprocessed_eeg_test.npy").unlink()
    with pytest.raises(DataError, match=r"there is no .*preprocessed_eeg_test\.npy"):
        dataset.load(root)


@pytest.mark.parametrize("repetitions", ["mean", "all"])
def test_subjects_who_saw_pictures_more_or_less_often_are_not_mixed(root: Path, repetitions: Any):
    content = stored(root, "02")
    content["preprocessed_eeg_data"] = content["preprocessed_eeg_data"][:, :1]
    store(root, content, "02")
    message = r"sub-02/preprocessed_eeg_training\.npy has 1 repetitions .* first subject 2; choose"
    with pytest.raises(DataError, match=message):
        ThingsEEG2(repetitions=repetitions).load(root)
    assert len(ThingsEEG2(subjects=[2]).load(root).table) == 21


def test_simulated_recordings_say_so_wherever_they_lie(root: Path):
    inner = root / "Preprocessed_data_250Hz"
    inner.mkdir()
    for subject in ("sub-01", "sub-02"):
        (root / subject).rename(inner / subject)
    dataset = ThingsEEG2(subjects=[1])
    assert any("simulated: files written by" in note for note in dataset.load(root).notes)
    shutil.copy(root / "SIMULATED.json", inner)
    assert sum("simulated" in note for note in dataset.load(root).notes) == 1
    (root / "SIMULATED.json").unlink()  # results would be stamped real
    for use in (dataset.load, dataset.signal, dataset.fingerprint):
        with pytest.raises(DataError, match=r"simulated recordings .*name .* itself with --data-r"):
            use(root)
    assert any("simulated" in note for note in dataset.load(inner, root).notes)


def test_a_concept_in_both_partitions_is_refused(root: Path):
    trained = next(path for path in (root / "training_images").iterdir())
    name = trained.name.partition("_")[2]
    tested = sorted((root / "test_images").iterdir())[0]
    tested.rename(tested.with_name(f"00001_{name}"))
    with pytest.raises(DataError, match="is in both the training and the test pictures"):
        ThingsEEG2().load(root)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"band": [1, 40]}, "'band' is .*cut trials, too short to be filtered"),
        ({"split": {"by": "run", "test": ["2"]}}, "'split' is .*by: subject"),
        ({"repetitions": "median"}, "'repetitions' is 'median'; it takes mean or all"),
        ({"channels": "frontal"}, "it takes all, posterior or a list"),
        ({"channels": []}, "'channels' is .*at least one name, each once"),
        ({"channels": ["Oz", "P7", "Oz"]}, "'channels' is .*at least one name, each once"),
        ({"resample": 0}, "'resample' is 0; it takes a sampling rate above 0 Hz"),
        ({"resample": -100.0}, "'resample' is -100.0; it takes a sampling rate above 0 Hz"),
        ({"subjects": [2, "sub-01"]}, "'subjects' is .*without 'sub-': '01'"),
    ],
)
def test_values_that_no_file_could_make_right(params: dict[str, Any], message: str):
    with pytest.raises(BadParameters, match=message):
        ThingsEEG2(**params)


def test_a_changed_file_changes_the_fingerprint(root: Path):
    before = ThingsEEG2().fingerprint(root)
    store(root, stored(root, "02"))
    middle = ThingsEEG2().fingerprint(root)
    next((root / "test_images").rglob("*.jpg")).write_bytes(b"other")
    assert len({before, middle, ThingsEEG2().fingerprint(root)}) == 3
