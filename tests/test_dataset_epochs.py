"""The data set of saved epochs: what is read, what was done before, what is refused."""

import shutil

import mne
import numpy as np
import pandas as pd
import pytest
from own_folders import CH_NAMES, N_TRIALS, SFREQ, make_epochs, write_epochs, write_pictures

from registry import BadParameters
from zoo.contracts import DataError
from zoo.datasets.epochs import Epochs

WHOLE = SFREQ + 1  # samples from -0.2 to 0.8 s


@pytest.fixture(scope="module")
def shared_root(tmp_path_factory):
    return write_epochs(tmp_path_factory.mktemp("epochs") / "data", band=(0.5, 40))


@pytest.fixture
def root(tmp_path):
    """A folder that a test may damage."""
    return write_epochs(tmp_path / "data", subjects=("anna",))


def saved(root, name, epochs):
    epochs.save(root / name, overwrite=True, verbose="error")
    return epochs


def refused(root, **params):
    """Return the one line that a folder is answered with."""
    with pytest.raises(DataError) as caught:
        Epochs(**params).load(root)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_is_read(shared_root):
    trials = Epochs().load(shared_root)
    signal, table = trials.signal, trials.table
    assert trials.eeg.shape == (4 * N_TRIALS, 4, signal.n_times)
    assert (signal.ch_names, signal.sfreq, signal.band) == (CH_NAMES, SFREQ, (0.5, 40))
    assert signal.class_names == ("cat", "dog")
    assert table.subject_name.unique().tolist() == ["anna", "ben"]
    assert table.run.unique().tolist() == ["1", "2"]
    assert table.trial_id[N_TRIALS] == "sub-anna_ses-1_run-2_0000"
    assert table.image_id[1] == "dog/dog1.png"
    assert table.onset[0] == pytest.approx(1)
    assert trials.image_known
    assert trials.notes == (
        f"all {4 * N_TRIALS} epochs saved were kept, 0 had been rejected before; as saved: "
        "filtered to 0.5 - 40 Hz (2 files)",
    )
    stored = mne.read_epochs(shared_root / "ben-epo.fif", verbose="error").get_data() * 1e6
    assert np.allclose(trials.eeg[2 * N_TRIALS :], stored, atol=1e-4)


def test_a_window_is_cut_out(shared_root):
    whole = Epochs().load(shared_root).eeg
    cut = Epochs(window=[0, 0.5]).load(shared_root)
    start = round(0.2 * SFREQ)
    assert cut.signal.n_times == SFREQ // 2
    assert np.array_equal(cut.eeg, whole[:, :, start : start + SFREQ // 2])
    assert (
        "window [0, 1.5] s reaches beyond the epochs of anna-epo.fif, which last from -0.203 to "
        "0.797 s" in refused(shared_root, window=[0, 1.5])
    )
    assert "reaches beyond" in refused(shared_root, window=[-0.5, 0.5])


def test_resampling_folds_nothing_back_and_keeps_time(tmp_path):
    root = write_epochs(tmp_path / "data", subjects=("anna",), runs=("1",))
    epochs = make_epochs("anna", "1")
    hum = np.sin(2 * np.pi * 50 * epochs.times)  # above half of the new rate: must go
    slow = np.sin(2 * np.pi * 5 * epochs.times)
    epochs._data = np.broadcast_to((20 * hum + slow) * 1e-6, epochs.get_data().shape).copy()
    saved(root, "anna-epo.fif", epochs)
    trials = Epochs(resample=64, window=[0, 0.5]).load(root)
    assert trials.eeg.shape == (N_TRIALS, 4, 32)
    begin = epochs.tmin + round(-epochs.tmin * 64) / 64
    expected = np.sin(2 * np.pi * 5 * (begin + np.arange(32) / 64))
    assert np.abs(trials.eeg[0, 0] - expected)[4:-4].max() < 0.15
    assert trials.signal.band is None
    assert Epochs(resample=64).load(root).eeg.shape[2] == WHOLE // 2


def test_a_narrower_band(shared_root):
    before = Epochs().load(shared_root).eeg
    dataset = Epochs(band=[0.5, 15], window=[0, 0.5])
    trials = dataset.load(shared_root)
    assert trials.signal.band == (0.5, 15)
    assert trials.notes[1] == "filtered to 0.5 - 15 Hz as epochs, where not so before"

    def power(eeg, low, high):
        spectrum = np.abs(np.fft.rfft(eeg)) ** 2
        hz = np.fft.rfftfreq(eeg.shape[-1], 1 / SFREQ)
        return spectrum[..., (hz >= low) & (hz <= high)].mean()

    start = round(0.2 * SFREQ)
    before = before[:, :, start : start + SFREQ // 2]
    assert power(trials.eeg, 25, 60) < 0.05 * power(before, 25, 60)
    assert power(trials.eeg, 8, 12) == pytest.approx(power(before, 8, 12), rel=0.1)


def test_the_same_band_changes_nothing(shared_root):
    asked = Epochs(band=[0.5, 40]).load(shared_root)
    assert np.array_equal(asked.eeg, Epochs().load(shared_root).eeg)


def test_bands_that_epochs_cannot_have(shared_root, root):
    assert (
        "band is [0.1, 40] Hz, but anna-epo.fif was saved after a filter to 0.5 - 40 Hz, and what "
        "that took away is gone" in refused(shared_root, band=[0.1, 40])
    )
    assert "saved after a filter to 0.5 - 40 Hz" in refused(shared_root, band=[1, 50])
    assert (
        "band [1, 40] Hz takes a filter of 3.3 s, but the epochs of anna-epo.fif last 1 s; filter "
        "the recordings before they are cut, or choose a band whose lower end the epochs already "
        "have (0.5 Hz)" in refused(shared_root, band=[1, 40])
    )
    assert "takes a filter of 3.3 s" in refused(root, band=[1, 40])
    assert "band is [1, 64] Hz, but the EEG is sampled at 128 Hz" in refused(root, band=[1, 64])


def test_a_later_file_with_another_band(shared_root, tmp_path):
    root = shutil.copytree(shared_root, tmp_path / "data")
    saved(root, "carl-epo.fif", make_epochs("carl", "1", columns=("run",), band=(0.5, 30)))
    assert "carl-epo.fif was saved after a filter to 0.5 - 30" in refused(root, band=[0.5, 35])
    note = Epochs().load(root).notes[0]
    assert note.endswith("filtered to 0.5 - 40 Hz (2 files); filtered to 0.5 - 30 Hz (1 file)")


def test_what_was_done_before_saving_is_said(root):
    epochs = make_epochs("anna", "1", columns=("run",))
    epochs.apply_baseline((-0.2, 0), verbose="error")
    epochs.drop([0, 3], reason="loud", verbose="error")
    epochs.info["bads"] = ["Cz"]
    saved(root, "anna-epo.fif", epochs[epochs.metadata.label == "cat"])
    trials = Epochs().load(root)
    assert trials.notes[0] == (
        f"all {N_TRIALS // 2 - 1} epochs saved were kept, 2 had been rejected before; as saved: "
        "no filter on record, baseline -0.2 to 0 s (1 file)"
    )
    assert trials.notes[1].startswith("marked bad in the epochs, but used like the others: Cz")


def test_names_from_files(tmp_path):
    root = tmp_path / "data"
    write_pictures(root / "images")
    (root / "deep").mkdir()
    for name in ("sub-01_ses-2_run-03-epo", "sub-2_epo"):
        saved(root / "deep", f"{name}.fif", make_epochs("any", "1"))
    saved(root, "sub-01_ses-2_run-04_epo.fif.gz", make_epochs("any", "1"))
    table = Epochs(split={"by": "run", "test": ["3"]}).load(root).table
    found = table[["subject_name", "session", "run"]].drop_duplicates().to_numpy().tolist()
    assert sorted(found) == [["01", "2", "03"], ["01", "2", "04"], ["2", "1", "1"]]
    assert Epochs().signal(root).n_subjects == 2


def test_files_of_one_run_share_its_count(root):
    saved(root, "more-epo.fif", make_epochs("anna", "1", columns=("subject", "run")))
    table = Epochs().load(root).table
    run = table[table.run == "1"]
    assert run.trial_id.is_unique
    assert set(run.subject_name) == {"anna"}
    assert run.trial_id.iloc[-1] == f"sub-anna_ses-1_run-1_{2 * N_TRIALS - 1:04d}"


def test_numbers_in_metadata_are_names(root):
    epochs = make_epochs("anna", "1")
    epochs.metadata = pd.DataFrame(
        {"label": np.arange(N_TRIALS) % 12 * 1.0, "image": "cat/cat0.png", "run": 7, "block": 2}
    )
    saved(root, "anna-epo.fif", epochs)
    trials = Epochs().load(root)
    assert trials.signal.class_names == tuple(map(str, range(12)))
    assert (set(trials.table.run), set(trials.table.block)) == ({"7"}, {2})


def test_subjects_labels_channels_and_splits(shared_root):
    dataset = Epochs(
        subjects=["ben"], labels=["dog"], channels=["Oz", "Fz"], split={"by": "run", "test": ["2"]}
    )
    trials = dataset.load(shared_root)
    assert set(trials.table.subject) == {1}
    assert len(trials.table) == N_TRIALS
    assert trials.signal.ch_names == ("Oz", "Fz")
    whole = Epochs().load(shared_root)
    mine = np.isin(whole.table.trial_id, trials.table.trial_id)
    assert np.array_equal(whole.eeg[mine][:, [3, 0]], trials.eeg)
    assert set(trials.table.run[dataset.split_of(trials.table) == "test"]) == {"2"}
    with pytest.raises(DataError, match=r"'epochs' has no official split; give dataset"):
        Epochs().split_of(trials.table)
    assert "there is no subject 'eve'; there are: ben, anna" in refused(
        shared_root, subjects=["eve"]
    )
    with pytest.raises(BadParameters, match="'image_size' is 8; it takes at least 64"):
        Epochs(image_size=8)


def test_channels_that_are_not_eeg_are_left_out(root):
    epochs = make_epochs("anna", "1")
    epochs.set_channel_types({"Fz": "eog"}, verbose="error")
    saved(root, "anna-epo.fif", epochs)
    assert Epochs().load(root).signal.ch_names == CH_NAMES[1:]
    assert "holds 3 EEG channels and lacks Fz of the 1 wanted" in refused(root, channels=["Fz"])
    epochs.set_channel_types(dict.fromkeys(CH_NAMES, "misc"), verbose="error")
    saved(root, "anna-epo.fif", epochs)
    assert refused(root) == "anna-epo.fif holds no channel of type EEG"


def test_pictures(root, tmp_path):
    beside = Epochs().load(root)
    shutil.move(root / "images", tmp_path / "pictures")
    assert "6 of 6 pictures are missing in" in refused(root)
    assert Epochs().load(root, tmp_path / "pictures").table.equals(beside.table)
    shown = Epochs(image_size=64).images(["cat/cat0.png"], root, tmp_path / "pictures")
    assert shown.shape == (1, 3, 64, 64)
    epochs = make_epochs("anna", "1")
    epochs.metadata = epochs.metadata[["label"]]
    saved(root, "anna-epo.fif", epochs)
    drawn = Epochs().load(root, tmp_path / "pictures")
    assert not drawn.image_known
    assert "paired by category" in drawn.notes[1]


def test_fingerprint_follows_content(root):
    before = Epochs().fingerprint(root)
    assert Epochs().fingerprint(root) == before
    saved(root, "anna-epo.fif", make_epochs("anna", "1", seed=5))
    assert Epochs().fingerprint(root) != before


def test_what_runs_write_into_the_folder_changes_no_fingerprint(root):
    before = Epochs().fingerprint(root)
    (root / "runs").mkdir()
    (root / "runs/report.html").write_text("one")
    assert Epochs().fingerprint(root) == before
    (root / "anna-epo.fif").rename(root / "runs/anna-epo.fif")  # a user's own runs/
    mine = Epochs().fingerprint(root)
    (root / "runs/report.html").write_text("two")
    assert Epochs().fingerprint(root) != mine


# ---- what is wrong


def test_missing_and_wrong_folders(tmp_path):
    assert "name their folder with --data-root" in refused(None)
    assert "nowhere is no folder" in refused(tmp_path / "nowhere")
    assert "holds no saved epochs; it takes files named like anna-epo.fif" in refused(tmp_path)
    with pytest.raises(DataError, match="holds no saved epochs"):
        Epochs().fingerprint(tmp_path)


def test_metadata_that_say_too_little(root):
    epochs = make_epochs("anna", "1")
    whole = epochs.metadata
    epochs.metadata = None
    saved(root, "anna-epo.fif", epochs)
    assert "anna-epo.fif holds no metadata; set epochs.metadata to a table" in refused(root)
    epochs.metadata = whole[["image"]]
    saved(root, "anna-epo.fif", epochs)
    assert refused(root) == (
        "the metadata of anna-epo.fif have no column 'label'; they have: image"
    )
    epochs.metadata = whole.assign(label=[None, *whole.label[1:]])
    saved(root, "anna-epo.fif", epochs)
    assert "anna-epo.fif, epoch 0 names no label; fill it in" in refused(root)


def test_files_that_cannot_be_read(root):
    path = root / "anna-epo.fif"
    whole = path.read_bytes()
    for damaged in (b"nothing", whole[: len(whole) // 2]):
        path.write_bytes(damaged)
        assert "anna-epo.fif cannot be read as epochs: " in refused(root)


def test_samples_that_are_not_numbers(root):
    epochs = make_epochs("anna", "1")
    epochs._data[3, 2, 5] = np.nan
    saved(root, "anna-epo.fif", epochs)
    assert (
        "anna-epo.fif: 1 samples are not numbers (NaN), the first in epoch 3, channel Pz"
        in refused(root)
    )


def test_files_that_differ(root):
    other = saved(root, "ben-epo.fif", make_epochs("ben", "1", sfreq=64))
    assert "ben-epo.fif is sampled at 64 Hz, the first recording at 128 Hz" in refused(root)
    assert len(Epochs(resample=64, window=[0, 0.5]).load(root).table) == 3 * N_TRIALS
    other = make_epochs("ben", "1")
    saved(root, "ben-epo.fif", other.copy().crop(-0.2, 0.5))
    assert "ben-epo.fif hold 91 samples, those of the first file 129; choose" in refused(root)
    saved(root, "ben-epo.fif", other.copy().shift_time(0.1))
    message = refused(root)
    assert "anna-epo.fif begin at -0.203 s, those of ben-epo.fif at -0.1" in message
    assert Epochs(window=[0, 0.5]).load(root).eeg.shape[2] == SFREQ // 2
    saved(root, "ben-epo.fif", other.copy().pick(["Fz", "Cz"]))
    assert "ben-epo.fif holds 2 EEG channels and lacks Pz, Oz of the 4 wanted" in refused(root)
