"""BIDS folders as they are found: copies, marks, gaps, pictures elsewhere, other encodings."""

import json
import shutil

import numpy as np
import pytest
from bids_folder import SECONDS, SFREQ, copy_run, stem_of, write_bids, write_run

from zoo.contracts import DataError
from zoo.datasets.bids import Bids
from zoo.stages import prepare
from zoo.stages._context import Context

N_TRIALS = SECONDS - 2  # of a run
BY_IMAGE = {"by": "image", "test": ["cat/cat0.png"]}


@pytest.fixture
def root(tmp_path):
    return write_bids(tmp_path / "data", runs=("1", "2"))


def file_of(root, ending, run="1"):
    return root / "sub-01" / "eeg" / f"{stem_of('01', run)}_{ending}"


def add_events(root, *rows, run="1"):
    events = file_of(root, "events.tsv", run)
    events.write_text(events.read_text() + "\n".join(rows) + "\n")


def refused(root, **params):
    """Return the one line that a folder is answered with."""
    with pytest.raises(DataError) as caught:
        Bids(**params).load(root)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("place", ["derivatives/clean", "sourcedata"])
def test_copies_that_are_not_raw_are_left_alone(root, place):
    before = Bids().load(root)
    for run in ("1", "7"):  # one of the same name, one of another
        copy_run(file_of(root, "").parent, stem_of("01", "1"), root / place / "sub-01" / "eeg",
                 stem_of("01", run))  # fmt: skip
    after = Bids().load(root)
    assert after.table.equals(before.table)
    assert np.array_equal(after.eeg, before.eeg)


def test_a_run_without_the_chosen_trial_types(root):
    events = file_of(root, "events.tsv", run="2")
    events.write_text(events.read_text().replace("cat", "bird").replace("dog", "bird"))
    trials = Bids(trial_types=["cat", "dog"]).load(root)
    assert trials.table.run.unique().tolist() == ["1"]
    assert trials.eeg.shape == (N_TRIALS, 4, round(0.8 * SFREQ))
    assert trials.table.label.dtype == np.int64
    assert trials.notes[0] == f"all {N_TRIALS} trials were kept"
    write_bids(root, subjects=("02",), runs=("1",), categories=("cow", "sheep"))
    message = refused(root, subjects=["02"], trial_types=["cat", "dog"])
    assert message == "no trial is left: no event has the trial_type cat or dog"


def test_a_run_whose_trials_are_all_dropped(root):
    loud = np.random.default_rng(0).normal(0, 500, (4, SECONDS * SFREQ))
    rows = file_of(root, "events.tsv").read_text().splitlines()
    write_run(root, "01", "2", loud, rows)
    trials = Bids(reject_uv=200).load(root)
    assert trials.table.run.unique().tolist() == ["1"]
    assert trials.notes[0] == (
        f"{N_TRIALS} of {2 * N_TRIALS} trials were dropped: {N_TRIALS} peak-to-peak above 200 µV"
    )
    message = refused(root, reject_uv=1)
    assert f"no trial is left: {2 * N_TRIALS} of {2 * N_TRIALS} trials were dropped" in message


@pytest.mark.parametrize("values", [False, True])
def test_a_class_whose_name_begins_with_bad(tmp_path, values):
    categories = ("badger", "Bad hair")
    root = write_bids(tmp_path / "data", runs=("1",), categories=categories)
    events = file_of(root, "events.tsv")
    head, *rows = events.read_text().splitlines()
    rows.append("5.1\t0.2\tBAD_move")  # reaches into the trials at 5 s only
    if values:  # mne-bids then tells "badger/0" from "badger/1"
        head, rows = f"{head}\tvalue", [f"{row}\t{i // 2 % 2}" for i, row in enumerate(rows)]
    events.write_text("\n".join([head, *rows]) + "\n")
    trials = Bids(trial_types=list(categories)).load(root)
    assert trials.notes[0] == (
        f"1 of {N_TRIALS} trials were dropped: 1 marked BAD_move in the recording"
    )


@pytest.mark.parametrize("stim_file", [False, True])
def test_pictures_in_a_folder_of_their_own(tmp_path, stim_file):
    root = write_bids(tmp_path / "data", runs=("1", "2"), stim_file=stim_file)
    beside = Bids().load(root)
    pictures = tmp_path / "pictures"
    shutil.move(root / "stimuli", pictures)
    assert "--image-root" in refused(root)
    trials = Bids().load(root, pictures)
    assert trials.table.equals(beside.table)
    assert Bids(image_size=64).images(["cat/cat0.png"], root, pictures).shape == (1, 3, 64, 64)
    out = tmp_path / "out"
    out.mkdir()
    given = {"dataset": "bids", "params": {}, "fingerprint": "any"}
    prepare.run({}, given, out, Context(work=out, data_root=root, image_root=pictures))
    assert json.loads((out / "pairing.json").read_text()) == {"image_known": stim_file}


def test_only_the_chosen_trial_types_say_whether_the_picture_is_known(tmp_path):
    root = write_bids(tmp_path / "data", runs=("1", "2"), stim_file=True)
    add_events(root, "5.5\t0.2\tbutton\tn/a")
    trials = Bids(trial_types=["cat", "dog"]).load(root)
    assert trials.image_known
    assert len(trials.notes) == 1


def test_a_split_by_image_needs_the_picture_shown(root, tmp_path):
    message = refused(root, split=BY_IMAGE)
    assert "dataset.params.split is by image" in message
    assert "drawn by a seed within its category" in message
    known = write_bids(tmp_path / "known", runs=("1", "2"), stim_file=True)
    dataset = Bids(split=BY_IMAGE)
    table = dataset.load(known).table
    assert set(table.image_id[dataset.split_of(table) == "test"]) == {"cat/cat0.png"}


def test_channels_marked_bad_are_used_and_named(root):
    before = Bids(reject_uv=60).load(root)
    for run in ("1", "2"):
        channels = file_of(root, "channels.tsv", run)
        head, *rows = channels.read_text().splitlines()
        status = ["bad" if row.startswith("Oz") else "good" for row in rows]
        rows = [f"{row}\t{mark}" for row, mark in zip(rows, status, strict=True)]
        channels.write_text("\n".join([f"{head}\tstatus", *rows]) + "\n")
    after = Bids(reject_uv=60).load(root)
    assert after.table.equals(before.table)  # Oz is what trials are dropped for
    assert len(before.table) < 2 * N_TRIALS
    assert after.notes[1] == (
        "marked bad in channels.tsv, but used like the others: Oz (in 2 recordings); leave "
        "channels out with dataset.params.channels"
    )
    assert not any("channels.tsv" in note for note in before.notes)
    assert not any("channels.tsv" in note for note in Bids(channels=["Fz"]).load(root).notes)


def test_recordings_that_nothing_tells_apart(root):
    folder, stem = file_of(root, "").parent, stem_of("01", "1")
    for name in ("a", "b"):
        copy_run(folder, stem, folder, f"sub-01_task-look_acq-{name}_run-3")
    message = refused(root)
    assert "sub-01_task-look_acq-a_run-3_eeg.vhdr" in message
    assert "sub-01_task-look_acq-b_run-3_eeg.vhdr" in message
    assert "of the same subject, session and run" in message


def test_a_band_that_the_new_rate_does_not_hold(root):
    message = refused(root, band=[1, 60], resample=64)
    assert "band is [1, 60] Hz, but the EEG is resampled to 64 Hz" in message
    assert Bids(band=[1, 60]).signal(root).band == (1, 60)


def test_a_band_that_a_later_recording_does_not_hold(root):
    slow = np.random.default_rng(0).normal(0, 5, (4, SECONDS * 64))
    rows = file_of(root, "events.tsv").read_text().splitlines()
    write_run(root, "01", "2", slow, rows, sfreq=64)
    message = refused(root, band=[1, 40], resample=100)
    assert message.startswith(f"{stem_of('01', '2')}_eeg.vhdr: band is [1, 40] Hz")
    assert "sampled at 64 Hz" in message
    assert len(Bids(band=[1, 30], resample=100).load(root).table) == 2 * N_TRIALS


@pytest.mark.parametrize("ending", ["events.tsv", "channels.tsv"])
@pytest.mark.parametrize("run", ["1", "2"])
def test_tables_that_cannot_be_read(root, ending, run):
    table = file_of(root, ending, run)
    text = table.read_text(encoding="utf-8")
    table.write_text(text, encoding="utf-16")
    assert refused(root).startswith(f"{table.name} is no UTF-8 text")
    table.write_text("")
    assert refused(root) == f"{table.name} is empty; write the table or remove the recording"
    head, *rows = text.splitlines()
    for longer in ([*rows, f"{rows[0]}\t9"], [f"{row}\t9" for row in rows]):
        table.write_text("\n".join([head, *longer]) + "\n", encoding="utf-8")
        assert refused(root).startswith(f"{table.name} cannot be read as a table")
