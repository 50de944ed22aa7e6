"""The BIDS data set: epochs, pictures, and one clear line for everything wrong."""

import os
import time

import numpy as np
import pytest
from bids_folder import CH_NAMES, SECONDS, SFREQ, stem_of, write_bids, write_run
from PIL import Image

from registry import BadParameters
from zoo.checks import dataset as battery
from zoo.checks._case import Case
from zoo.contracts import DataError
from zoo.datasets.bids import Bids

N_TRIALS = SECONDS - 2  # of a run


@pytest.fixture(scope="module")
def shared_root(tmp_path_factory):
    return write_bids(tmp_path_factory.mktemp("bids") / "data", subjects=("01", "02"))


@pytest.fixture
def root(tmp_path):
    """A folder that a test may damage."""
    return write_bids(tmp_path / "data", runs=("1", "2"))


def file_of(root, ending, run="1"):
    return root / "sub-01" / "eeg" / f"{stem_of('01', run)}_{ending}"


def test_what_is_read(shared_root):
    trials = Bids(window=[0, 0.5], band=[1, 40]).load(shared_root)
    assert trials.eeg.shape == (2 * 3 * N_TRIALS, 4, SFREQ // 2)
    assert trials.signal.ch_names == CH_NAMES
    assert trials.signal.ch_pos is None  # no electrodes.tsv
    assert trials.signal.class_names == ("cat", "dog")
    assert trials.signal.n_subjects == 2
    table = trials.table
    assert table.trial_id[0] == "sub-01_ses-1_run-1_0000"
    assert sorted(table.run.unique()) == ["1", "2", "3"]
    assert table.subject_name.unique().tolist() == ["01", "02"]
    assert trials.notes[0] == "all 168 trials were kept"
    # microvolts, in time, with the class in the sign of the burst at Oz
    burst = np.sin(2 * np.pi * 10 * np.arange(SFREQ // 2) / SFREQ)
    for label, sign in ((0, 1), (1, -1)):
        mean = trials.eeg[table.label == label][:, 3].mean(axis=0)
        assert np.dot(mean, burst) / np.dot(burst, burst) == pytest.approx(sign * 20, rel=0.1)


def test_subjects_and_splits(shared_root):
    dataset = Bids(subjects=["2"], split={"by": "run", "test": ["3"], "val": ["02"]})
    trials = dataset.load(shared_root)
    assert set(trials.table.subject) == {1}
    part = dataset.split_of(trials.table)
    assert set(trials.table.run[part == "test"]) == {"3"}
    assert set(trials.table.run[part == "val"]) == {"2"}
    assert set(trials.table.run[part == "train"]) == {"1"}


def test_baseline_is_taken_off_before_cutting(shared_root):
    plain = Bids(window=[-0.2, 0.3], subjects=["01"]).load(shared_root).eeg
    based = Bids(window=[0, 0.3], baseline=[-0.2, 0], subjects=["01"]).load(shared_root).eeg
    start = round(0.2 * SFREQ)
    expected = plain[:, :, start:] - plain[:, :, :start].mean(axis=2, keepdims=True)
    n_times = based.shape[2]
    assert np.allclose(based, expected[:, :, :n_times], atol=1e-4)


def test_resampling_keeps_time(shared_root):
    whole = Bids(window=[0, 0.5], subjects=["01"], band=[1, 20]).load(shared_root).eeg
    half = Bids(window=[0, 0.5], subjects=["01"], band=[1, 20], resample=64.0)
    assert half.signal(shared_root).n_times == 32
    assert np.corrcoef(half.load(shared_root).eeg.ravel(), whole[:, :, ::2].ravel())[0, 1] > 0.99


def test_pictures_are_drawn_within_the_category(shared_root):
    trials = Bids().load(shared_root)
    category = trials.table.image_id.str.split("/").str[0]
    assert (category == np.array(trials.signal.class_names)[trials.table.label]).all()
    assert trials.table.image_id.nunique() == 6
    assert "paired by category" in trials.notes[1]
    assert not trials.image_known


def test_the_picture_shown_is_used_where_it_is_known(tmp_path):
    root = write_bids(tmp_path / "data", runs=("1", "2"), stim_file=True)
    trials = Bids().load(root)
    assert trials.table.image_id[:4].tolist() == [
        "cat/cat0.png", "dog/dog1.png", "cat/cat2.png", "dog/dog0.png",
    ]  # fmt: skip
    assert len(trials.notes) == 1
    assert trials.image_known


def test_pictures_are_cut_to_their_central_square(shared_root):
    pixels = np.asarray(Image.open(shared_root / "stimuli/cat/cat0.png"))
    picture = Bids(image_size=90).images(["cat/cat0.png"], shared_root)[0]
    assert np.array_equal(picture, np.stack([pixels[:, 15:105]] * 3))


def test_dropped_trials_are_counted(root):
    events = file_of(root, "events.tsv")
    extra = ["0.001\t0.2\tcat", "29.9\t0.2\tdog", "n/a\t0.2\tn/a", "5.0\t0.2\tdog"]
    events.write_text(events.read_text() + "\n".join(extra) + "\n")
    trials = Bids(window=[-0.1, 0.4]).load(root)
    assert len(trials.table) == 2 * N_TRIALS
    assert trials.notes[0] == (
        f"3 of {2 * N_TRIALS + 3} trials were dropped: 2 reaching beyond the recording; "
        "1 two events at the same sample"
    )
    quiet = Bids(window=[0, 0.4], reject_uv=60).load(root)
    assert "peak-to-peak above 60 µV" in quiet.notes[0]
    assert len(quiet.table) < 2 * N_TRIALS


def test_fingerprint_follows_content(root):
    before = Bids().fingerprint(root)
    events = file_of(root, "events.tsv")
    text, status = events.read_text(), events.stat()
    os.utime(events)
    assert Bids().fingerprint(root) == before  # touched, not changed
    events.write_text(text.replace("cat", "dog", 1))
    os.utime(events, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert Bids().fingerprint(root) != before
    events.write_text(text)
    assert Bids().fingerprint(root) == before
    picture = root / "stimuli/cat/cat0.png"
    Image.fromarray(np.zeros((80, 80), np.uint8)).save(picture)
    assert Bids().fingerprint(root) != before


def refused(root, **params):
    """Return the one line that a damaged folder is answered with."""
    with pytest.raises(DataError) as caught:
        Bids(**params).load(root)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_missing_and_wrong_folders(tmp_path):
    assert "name their folder with --data-root" in refused(None)
    assert "nowhere is no folder" in refused(tmp_path / "nowhere")
    assert "it has no dataset_description.json" in refused(tmp_path)
    (tmp_path / "dataset_description.json").write_text("{}")
    assert "holds no EEG recording" in refused(tmp_path)
    with pytest.raises(DataError, match="no dataset_description"):
        Bids().fingerprint(tmp_path / "..")


def test_samples_that_are_not_numbers(root):
    eeg = np.fromfile(file_of(root, "eeg.eeg", run="2"), "<f4").reshape(-1, len(CH_NAMES))
    eeg[SFREQ * 12, 2] = np.nan
    eeg.tofile(file_of(root, "eeg.eeg", run="2"))
    message = refused(root)
    assert (
        f"{stem_of('01', '2')}_eeg.vhdr: channel Pz holds 1 samples that are not numbers" in message
    )
    assert "the first at 12.00 s" in message


def test_channels_that_disagree(root):
    channels = file_of(root, "channels.tsv")
    channels.write_text("\n".join(channels.read_text().splitlines()[:-1]) + "\n")
    assert "holds 4 channels, its channels.tsv lists 3" in refused(root)


def test_channels_that_differ_between_runs(root):
    rows = file_of(root, "events.tsv").read_text().splitlines()
    rng = np.random.default_rng(0)
    fewer = CH_NAMES[:3]
    write_run(root, "01", "2", rng.normal(0, 5, (3, SECONDS * SFREQ)), rows, fewer)
    message = refused(root)
    assert "holds 3 EEG channels and lacks Oz of the 4 wanted" in message
    assert "dataset.params.channels" in message
    assert Bids(channels=["Pz", "Fz"]).load(root).signal.ch_names == ("Pz", "Fz")
    turned = rng.normal(0, 5, (4, SECONDS * SFREQ))
    write_run(root, "01", "2", turned, rows, CH_NAMES[::-1])
    trials = Bids(window=[0, 0.5]).load(root)
    second = trials.eeg[trials.table.run == "2"]
    assert np.allclose(second[0, 0], turned[3, SFREQ : SFREQ + SFREQ // 2], atol=1e-3)


def test_pictures_that_cannot_be_read(root):
    broken = root / "stimuli/dog/dog1.png"
    broken.write_bytes(b"not a picture")
    assert "dog1.png cannot be read as a picture" in refused(root)
    whole = (root / "stimuli/cat/cat0.png").read_bytes()
    (root / "stimuli/cat/cat0.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"cat0.png cannot be read as a picture"):
        Bids().images(["cat/cat0.png"], root)
    with pytest.raises(DataError, match=r"cat9.png is missing"):
        Bids().images(["cat/cat9.png"], root)


def test_categories_without_pictures(root):
    for picture in (root / "stimuli/dog").iterdir():
        picture.unlink()
    message = refused(root)
    assert "stimuli/dog holds no picture, but trials have the trial_type 'dog'" in message
    assert "dataset.params.trial_types" in message
    (root / "stimuli/dog").rmdir()
    assert "stimuli/dog is missing" in refused(root)
    assert set(Bids(trial_types=["cat"]).load(root).table.label) == {0}
    assert "no event has the trial_type 'cow'; there are: cat, dog" in refused(
        root, trial_types=["cow"]
    )


def test_events_that_say_nothing(root):
    events = file_of(root, "events.tsv")
    events.write_text("onset\tduration\n1.0\t0.2\n")
    assert "has no column 'trial_type'; it has: onset, duration" in refused(root)
    events.write_text("onset\tduration\ttrial_type\n1.0\t0.2\tn/a\n")
    assert "names no trial_type" in refused(root)
    events.unlink()
    assert "has no events.tsv beside it" in refused(root)


def test_recordings_that_cannot_be_read(root):
    file_of(root, "eeg.eeg", run="2").unlink()
    assert f"{stem_of('01', '2')}_eeg.vhdr cannot be read as EEG" in refused(root)


def test_parameters_that_fit_no_data(root):
    assert "there is no subject '9'; there are: 01" in refused(root, subjects=["9"])
    assert "no EEG recording of task 'rest' (there is: look)" in refused(root, task="rest")
    assert "band is [1, 64] Hz, but the EEG is sampled at 128 Hz" in refused(root, band=[1, 64])
    table = Bids().load(root).table
    with pytest.raises(DataError, match=r"no official split; give dataset.params.split"):
        Bids().split_of(table)
    with pytest.raises(DataError, match=r"split.val: there is no run '7'; there are: 1, 2"):
        Bids(split={"by": "run", "test": ["1"], "val": ["7"]}).split_of(table)
    with pytest.raises(BadParameters, match=r"'split' is 'single'. It takes: {by: run"):
        Bids(split="single")


def test_real_recordings(data_root):
    root = data_root / "n170"
    split = {"by": "run", "test": ["6"], "val": ["5"]}
    params = {"band": [1, 30], "window": [0, 0.6], "split": split}
    dataset = Bids(**params)
    started = time.process_time()
    trials = dataset.load(root)
    assert time.process_time() - started < 10
    assert trials.notes[0] == "all 1174 trials were kept"
    assert trials.eeg.shape == (1174, 4, 154)
    assert trials.signal.class_names == ("face", "house")
    assert trials.signal.ch_names == ("TP9", "AF7", "AF8", "TP10")
    assert trials.table.image_id.nunique() == 24
    assert (dataset.split_of(trials.table) == "test").sum() == 199
    # the N170: faces and houses differ at TP9 and TP10 between 0.13 and 0.23 s
    face, house = (trials.eeg[trials.table.label == k].mean(axis=0) for k in (0, 1))
    assert np.abs((face - house)[[0, 3], 33:59]).max() > 1
    case = Case.of("dataset", "bids", params, root)
    battery.images_are_pictures(case)
    battery.root_stays_as_it_was(case)
