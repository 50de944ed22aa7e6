"""The data set of a folder with trials.csv: what is read, and one clear line for what is wrong."""

import json
import os
import shutil

import mne
import numpy as np
import pandas as pd
import pytest
from bids_folder import write_run
from own_folders import (
    CH_NAMES,
    N_TRIALS,
    SECONDS,
    SFREQ,
    recording,
    write_folder,
    write_recording,
)

from registry import BadParameters
from zoo.contracts import DataError
from zoo.datasets.folder import Folder
from zoo.stages import prepare, select
from zoo.stages._context import Context

BY_RUN = {"by": "run", "test": ["2"]}


@pytest.fixture(scope="module")
def shared_root(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("folder") / "data")


@pytest.fixture
def root(tmp_path):
    """A folder that a test may damage."""
    return write_folder(tmp_path / "data", subjects=("anna",), runs=("1", "2"))


def change(root, **columns):
    """Set columns of trials.csv: to one value, or to one a row."""
    table = pd.read_csv(root / "trials.csv", dtype=str, keep_default_na=False)
    table.assign(**columns).to_csv(root / "trials.csv", index=False)


def refused(root, **params):
    """Return the one line that a folder is answered with."""
    with pytest.raises(DataError) as caught:
        Folder(**params).load(root)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_is_read(shared_root):
    trials = Folder(window=[0, 0.5], band=[1, 40]).load(shared_root)
    assert trials.eeg.shape == (2 * 3 * N_TRIALS, 4, SFREQ // 2)
    assert trials.signal.ch_names == CH_NAMES
    assert trials.signal.band == (1, 40)
    assert trials.signal.class_names == ("cat", "dog")
    assert trials.signal.n_subjects == 2
    table = trials.table
    assert table.trial_id[0] == "sub-anna_ses-1_run-1_0000"
    assert table.subject_name.unique().tolist() == ["anna", "ben"]
    assert table.image_id[:2].tolist() == ["cat/cat0.png", "dog/dog1.png"]
    assert trials.image_known
    assert trials.notes == (f"all {6 * N_TRIALS} trials were kept",)
    # microvolts, in time, with the class in the sign of the burst at Oz
    burst = np.sin(2 * np.pi * 10 * np.arange(SFREQ // 2) / SFREQ)
    for label, sign in ((0, 1), (1, -1)):
        mean = trials.eeg[table.label == label][:, 3].mean(axis=0)
        assert np.dot(mean, burst) / np.dot(burst, burst) == pytest.approx(sign * 20, rel=0.1)


def test_all_forms_of_a_recording_give_the_same_trials(tmp_path):
    fif = write_folder(tmp_path / "fif", subjects=("anna",), runs=("1",))
    npy = write_folder(tmp_path / "npy", subjects=("anna",), runs=("1",), ending=".npy")
    brain = write_folder(tmp_path / "vhdr", subjects=("anna",), runs=("1",))
    (brain / "recordings/anna_1.fif").unlink()
    write_run(brain, "01", "1", recording(0), ["onset\ttrial_type"])
    change(brain, recording="sub-01/eeg/sub-01_task-look_run-1_eeg.vhdr")
    settings = {"band": [1, 30], "resample": 64, "baseline": [-0.2, 0], "window": [0, 0.5]}
    one, two, three = (Folder(**settings).load(root) for root in (fif, npy, brain))
    assert np.allclose(one.eeg, two.eeg, atol=1e-4)
    assert np.allclose(one.eeg, three.eeg, atol=1e-3)
    assert one.table.equals(two.table)
    assert one.eeg.shape == (N_TRIALS, 4, 32)


def test_one_description_for_all_arrays_and_other_units(tmp_path):
    root = write_folder(tmp_path / "data", subjects=("anna",), runs=("1",), ending=".npy")
    before = Folder().load(root)
    array = root / "recordings/anna_1.npy"
    np.save(array, np.load(array) * 1e-6)
    array.with_suffix(".json").unlink()
    about = {"sfreq": SFREQ, "ch_names": list(CH_NAMES), "unit": "volt"}
    (root / "recordings/array.json").write_text(json.dumps(about))
    assert np.allclose(Folder().load(root).eeg, before.eeg, atol=1e-3)


def test_onsets_count_from_the_first_sample_in_the_file(root):
    before = Folder(window=[0, 0.5]).load(root)
    path = root / "recordings/anna_1.fif"
    raw = mne.io.read_raw(path, preload=True, verbose="error")
    longer = mne.io.RawArray(
        np.hstack([np.zeros((4, 3 * SFREQ)), raw.get_data()]), raw.info, verbose="error"
    )
    longer.crop(3).save(path, overwrite=True, verbose="error")
    assert mne.io.read_raw(path, verbose="error").first_samp == 3 * SFREQ
    assert np.allclose(Folder(window=[0, 0.5]).load(root).eeg, before.eeg, atol=1e-4)


def test_where_recordings_lie(root):
    before = Folder().load(root)
    (root / "raw").mkdir()
    for run in ("1", "2"):
        (root / f"recordings/anna_{run}.fif").rename(root / f"raw/run-{run}_raw.fif")
    message = refused(root)
    assert message.startswith(
        "trials.csv line 2 belongs to the recording recordings/anna_1, which is not in"
    )
    assert "dataset.params.recordings" in message
    pattern = Folder(recordings="raw/run-{run}_raw.fif").load(root)
    change(root, recording=["raw/run-1_raw.fif"] * N_TRIALS + ["raw/run-2_raw"] * N_TRIALS)
    column = Folder().load(root)
    for other in (pattern, column):
        assert np.array_equal(other.eeg, before.eeg)
        assert other.table.equals(before.table)


def test_one_file_may_hold_several_runs(tmp_path):
    root = write_folder(tmp_path / "data", subjects=("anna",), runs=("1",))
    change(root, run=["1"] * 12 + ["2"] * 10, recording="recordings/anna_1.fif")
    table = Folder().load(root).table
    assert table.run.value_counts().to_dict() == {"1": 12, "2": 10}
    assert table.trial_id[12] == "sub-anna_ses-1_run-2_0000"


def test_more_columns(root):
    change(root, session="b", block=["1"] * N_TRIALS + ["02"] * N_TRIALS, mood="good")
    table = Folder().load(root).table
    assert set(table.session) == {"b"}
    assert table.trial_id[0] == "sub-anna_ses-b_run-1_0000"
    part = Folder(split={"by": "block", "test": ["2"]}).split_of(table)
    assert set(table.run[part == "test"]) == {"2"}
    change(root, block="first half")
    assert set(Folder().load(root).table.block) == {"first half"}


def test_subjects_and_labels(shared_root, tmp_path):
    root = shutil.copytree(shared_root, tmp_path / "data")
    for run in ("1", "2", "3"):
        (root / f"recordings/ben_{run}.fif").unlink()
    trials = Folder(subjects=["anna"], labels=["dog"]).load(root)
    assert set(trials.table.subject) == {0}
    assert trials.signal.class_names == ("dog",)
    assert len(trials.table) == 3 * N_TRIALS // 2
    # what a trial is called does not depend on what else is chosen
    whole = Folder(subjects=["anna"]).load(root)
    mine = np.isin(whole.table.trial_id, trials.table.trial_id)
    assert np.array_equal(whole.eeg[mine], trials.eeg)
    assert "no trial has the label 'cow'; there are: cat, dog" in refused(root, labels=["cow"])
    assert "there is no subject 'eve'; there are: ben, anna" in refused(root, subjects=["eve"])


def test_a_subject_without_the_chosen_labels(shared_root, tmp_path):
    root = shutil.copytree(shared_root, tmp_path / "data")
    change(root, label=["cat"] * 3 * N_TRIALS + ["dog"] * 3 * N_TRIALS)
    assert refused(root, subjects=["anna"], labels=["dog"]) == (
        "no trial of the subjects anna has the label dog; choose others with dataset.params.labels"
    )


def test_pictures_that_are_not_named(root):
    change(root, image="")
    trials = Folder().load(root)
    category = trials.table.image_id.str.split("/").str[0]
    assert (category == np.array(trials.signal.class_names)[trials.table.label]).all()
    assert not trials.image_known
    assert "paired by category" in trials.notes[1]
    assert "split is by image" in refused(root, split={"by": "image", "test": ["cat/cat0.png"]})
    shutil.rmtree(root / "images/dog")
    message = refused(root)
    assert "images/dog is missing, but trials have the label 'dog'" in message
    assert "dataset.params.labels" in message


def test_pictures_elsewhere(root, tmp_path):
    beside = Folder().load(root)
    shutil.move(root / "images", tmp_path / "pictures")
    message = refused(root)
    assert "6 of 6 pictures are missing in" in message
    assert "cat/cat0.png, dog/dog1.png, cat/cat2.png, dog/dog0.png, cat/cat1.png ..." in message
    assert "--image-root" in message
    assert Folder().load(root, tmp_path / "pictures").table.equals(beside.table)
    shown = Folder(image_size=64).images(["cat/cat0.png"], root, tmp_path / "pictures")
    assert shown.shape == (1, 3, 64, 64)
    (tmp_path / "pictures/dog/dog1.png").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"dog1.png cannot be read as a picture"):
        Folder().load(root, tmp_path / "pictures")


def test_images_may_be_named_from_the_root(root):
    before = Folder().load(root)
    change(root, image="images/" + before.table.image_id)
    assert Folder().load(root).table.equals(before.table)


def test_dropped_trials_are_counted(root):
    rows = pd.read_csv(root / "trials.csv", dtype=str)
    extra = rows.iloc[[0, 0, 0]].assign(onset=["0.05", "23.9", "1.0"])
    pd.concat([rows, extra]).to_csv(root / "trials.csv", index=False)
    trials = Folder(window=[-0.1, 0.4]).load(root)
    assert len(trials.table) == 2 * N_TRIALS
    assert trials.notes[0] == (
        f"3 of {2 * N_TRIALS + 3} trials were dropped: 2 reaching beyond the recording; "
        "1 two events at the same sample"
    )
    quiet = Folder(window=[0, 0.4], reject_uv=60).load(root)
    assert "peak-to-peak above 60 µV" in quiet.notes[0]
    assert "no trial is left" in refused(root, reject_uv=1)


def test_marks_in_the_recording(root):
    path = root / "recordings/anna_1.fif"
    raw = mne.io.read_raw(path, preload=True, verbose="error")
    raw.info["bads"] = ["Cz"]
    raw.set_annotations(mne.Annotations([5.1], [0.2], ["BAD_move"]))
    raw.save(path, overwrite=True, verbose="error")
    trials = Folder(window=[0, 0.5]).load(root)
    assert trials.notes[0] == (
        f"1 of {2 * N_TRIALS} trials were dropped: 1 marked BAD_move in the recording"
    )
    assert trials.notes[1].startswith(
        "marked bad in the recording, but used like the others: Cz (in 1 recording); leave"
    )


def test_fingerprint_follows_content(root):
    before = Folder().fingerprint(root)
    table = root / "trials.csv"
    text, status = table.read_text(), table.stat()
    table.write_text(text.replace("cat", "dog", 1))
    os.utime(table, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert Folder().fingerprint(root) != before
    table.write_text(text)
    assert Folder().fingerprint(root) == before


def test_limit_keeps_so_many_of_each_split(root, tmp_path):
    params = {"window": [0, 0.5], "split": BY_RUN, "limit": 6}
    given = {"dataset": "folder", "params": params, "seed": 0, "fingerprint": ""}
    context = Context(work=tmp_path, data_root=root)
    prepared, selected = tmp_path / "prepared", tmp_path / "selected"
    for stage, inputs, out in (
        (prepare, {}, prepared), (select, {"prepare": prepared}, selected),
    ):  # fmt: skip
        out.mkdir()
        stage.run(inputs, given, out, context)
    assert len(np.load(prepared / "eeg.npy")) == 2 * N_TRIALS
    chosen = np.load(selected / "select.npz")
    assert sorted(chosen["split"]) == ["test"] * 6 + ["train"] * 6
    assert np.bincount(chosen["label"]).tolist() == [6, 6]


def test_what_runs_write_into_the_folder_changes_no_fingerprint(root):
    before = Folder().fingerprint(root)
    (root / "runs").mkdir()
    (root / "runs/report.html").write_text("one")
    assert Folder().fingerprint(root) == before
    change(root, recording="runs/a.fif")  # a user's own runs/
    mine = Folder().fingerprint(root)
    (root / "runs/report.html").write_text("two")
    assert Folder().fingerprint(root) != mine


# ---- what is wrong


def test_missing_and_wrong_folders(tmp_path):
    assert "name their folder with --data-root" in refused(None)
    assert "nowhere is no folder" in refused(tmp_path / "nowhere")
    assert "holds no trials.csv; write one with the columns onset, image" in refused(tmp_path)
    with pytest.raises(DataError, match=r"holds no trials.csv"):
        Folder().fingerprint(tmp_path)


def test_tables_that_say_too_little(root):
    table = root / "trials.csv"
    text = table.read_text()
    table.write_text(text.replace("label", "class", 1))
    assert (
        "trials.csv has no column 'label'; it needs onset, image, label, subject, run and has: "
        "onset, image, class, subject, run" in refused(root)
    )
    table.write_text(text.replace(",", ";"))
    assert refused(root).endswith("separate columns with commas, not semicolons")
    table.write_text(text.splitlines()[0] + "\n")
    assert refused(root) == "trials.csv holds no trial; write one row for each"
    table.write_text("")
    assert "trials.csv is empty" in refused(root)
    table.write_text(text, encoding="utf-16")
    assert "trials.csv is no UTF-8 text" in refused(root)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"label": ""}, "trials.csv line 2 names no label; fill it in or remove the row"),
        ({"session": " "}, "trials.csv line 2 names no session"),
        ({"onset": "soon"}, "trials.csv line 2: onset is 'soon', no number of seconds"),
        ({"onset": "inf"}, "trials.csv line 2: onset is 'inf', no number of seconds"),
        ({"subject": "Anna K"}, "line 2: subject is 'Anna K'; it takes letters, digits"),
        ({"image": "../cat.png"}, "line 2: image is '../cat.png'; name it from inside the folder"),
        ({"image": "/cat.png"}, "line 2: image is '/cat.png'; name it from inside the folder"),
        ({"image": "", "label": "../cat"}, "line 2 names no image, and its label '../cat' is no"),
        ({"recording": "../a.fif"}, "line 2: recording is '../a.fif'; it must lie inside"),
    ],
)
def test_rows_that_cannot_be_used(root, columns, said):
    change(root, **columns)
    assert said in refused(root)


def test_recordings_that_nothing_tells_apart(root):
    write_recording(root / "recordings/anna_2.npy", recording(0))
    assert (
        f"trials.csv line {N_TRIALS + 2} belongs to the recording recordings/anna_2, but there are "
        "anna_2.npy and anna_2.fif; keep one of them" in refused(root)
    )


def test_a_recording_of_two_subjects(root):
    change(root, subject=["anna", "ben"] * N_TRIALS, recording="recordings/anna_1.fif")
    assert "rows of the subjects 'anna' and 'ben' name the same recording" in refused(root)


def test_recordings_that_cannot_be_read(root):
    path = root / "recordings/anna_2.fif"
    whole = path.read_bytes()
    path.write_bytes(b"nothing")
    assert "recordings/anna_2.fif cannot be read as EEG: " in refused(root)
    path.write_bytes(whole[: len(whole) // 2])
    assert "recordings/anna_2.fif" in refused(root)
    info = mne.create_info(["a"], SFREQ, "misc")
    raw = mne.io.RawArray(np.zeros((1, SFREQ)), info, verbose="error")
    raw.save(path, overwrite=True, verbose="error")
    assert "anna_2.fif holds no channel of type EEG" in refused(root)


def test_samples_that_are_not_numbers(root):
    eeg_CP = recording(1)
    eeg_CP[2, 12 * SFREQ] = np.nan
    write_recording(root / "recordings/anna_2.fif", eeg_CP)
    message = refused(root)
    assert "recordings/anna_2.fif: channel Pz holds 1 samples that are not numbers" in message
    assert "the first at 12.00 s" in message


def test_recordings_that_differ(root):
    path = root / "recordings/anna_2.fif"
    write_recording(path, recording(1)[:3], names=CH_NAMES[:3])
    assert "holds 3 EEG channels and lacks Oz of the 4 wanted" in refused(root)
    assert Folder(channels=["Pz", "Fz"]).load(root).signal.ch_names == ("Pz", "Fz")
    write_recording(path, recording(1, 64), sfreq=64)
    assert "anna_2.fif is sampled at 64 Hz, the first recording at 128 Hz" in refused(root)
    assert "anna_2.fif: band is [1, 40] Hz" in refused(root, band=[1, 40], resample=100)
    assert len(Folder(resample=64).load(root).table) == 2 * N_TRIALS


ABOUT = {"sfreq": SFREQ, "ch_names": list(CH_NAMES), "unit": "microvolt"}


@pytest.mark.parametrize(
    ("about", "said"),
    [
        (None, "recordings/anna_1.npy needs anna_1.json or array.json beside it"),
        ("{", "anna_1.json cannot be read as JSON"),
        ([], "anna_1.json takes sfreq, ch_names and unit, and holds: no mapping"),
        ({"sfreq": 1}, "anna_1.json takes sfreq, ch_names and unit, and holds: sfreq"),
        (ABOUT | {"sfreq": "fast"}, "anna_1.json: sfreq is 'fast'; it takes a number of Hz"),
        (ABOUT | {"unit": "mV"}, "anna_1.json: unit is 'mV'; it takes microvolt or volt"),
        (ABOUT | {"unit": []}, "anna_1.json: unit is []; it takes microvolt or volt"),
        (ABOUT | {"ch_names": ["Fz", "Fz"]}, "it takes a list of different names"),
        (ABOUT | {"ch_names": ["Fz"]}, f"has the shape (4, {SECONDS * SFREQ}), but anna_1.json "
         "names 1 channels; save it as (channels, samples)"),
    ],
)  # fmt: skip
def test_descriptions_of_arrays(tmp_path, about, said):
    root = write_folder(tmp_path / "data", subjects=("anna",), runs=("1",), ending=".npy")
    file = root / "recordings/anna_1.json"
    if about is None:
        file.unlink()
    else:
        file.write_text(about if isinstance(about, str) else json.dumps(about))
    assert said in refused(root)


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.array([{"eeg": 1}], object), "anna_1.npy cannot be read as an array"),
        (np.zeros((2, 4, 9)), "anna_1.npy has the shape (2, 4, 9) and type float64"),
        (np.zeros((4, 9), "<U1"), "has the shape (4, 9) and type <U1; it takes real numbers"),
    ],
)
def test_arrays_that_are_no_recording(tmp_path, array, said):
    root = write_folder(tmp_path / "data", subjects=("anna",), runs=("1",), ending=".npy")
    np.save(root / "recordings/anna_1.npy", array, allow_pickle=True)
    assert said in refused(root)


def test_a_name_must_not_lead_out_of_the_folder(root):
    shutil.copy(root / "recordings/anna_1.fif", root.parent / "1.fif")
    change(root, subject="..")
    said = refused(root, recordings="{subject}/{run}")
    assert said.startswith("trials.csv line 2 belongs to the recording ../1, which does not lie ")


def test_parameters_that_fit_no_data(root):
    assert "band is [1, 64] Hz, but the EEG is sampled at 128 Hz" in refused(root, band=[1, 64])
    table = Folder().load(root).table
    with pytest.raises(DataError, match=r"'folder' has no official split; give dataset"):
        Folder().split_of(table)
    for pattern, said in (
        ("{subject}_{task}", "holds {task}; it takes a path inside"),
        ("{subject", "is no name pattern"),
        ("../{subject}", "leads out of the folder"),
        ("{subject:{foo}}", "says how subject is to be written"),
        ("{subject}_{run:>3d}", "says how run is to be written (':' or '!'), which is not possi"),
        ("{run!r}", "says how run is to be written"),
    ):
        with pytest.raises(BadParameters) as caught:
            Folder(recordings=pattern)
        assert said in str(caught.value)
    with pytest.raises(BadParameters, match="'image_size' is 8; it takes at least 64"):
        Folder(image_size=8)
