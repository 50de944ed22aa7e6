"""`zoo check data`: recognises a folder, counts what is in it, lists what is wrong; exit codes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from bids_folder import stem_of, write_bids
from bids_folder import write_run as write_bids_run
from cli_runner import zoo
from own_folders import N_TRIALS, make_epochs, recording, write_epochs, write_folder
from own_folders import write_recording as write_fif
from PIL import Image

from zoo.data_check import FORMATS, check_data
from zoo.registries import DATASETS
from zoo.simulate import things_eeg2


def checked(root: Path, *options: object, code: int = 0) -> dict:
    """Return what `zoo check data --json` says, and require its exit code."""
    result = zoo("check", "data", root, "--json", *options)
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    facts = json.loads(result.stdout)
    assert facts["usable"] == (code == 0)
    return facts


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "own", runs=("1", "2"))


# ---- what is found


def test_a_whole_folder_as_text(folder: Path) -> None:
    result = zoo("check", "data", folder)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        f"{folder}: data set 'folder', can be used",
        "",
        "subject  recordings  trials  classes  pictures  channels  Hz",
        "anna     2           44      2        6         4         128",
        "ben      2           44      2        6         4         128",
        "",
        "nothing is wrong",
    ]
    assert result.stderr == ""  # quick work shows no progress bar


@pytest.mark.parametrize(
    ("name", "write", "subject", "recordings", "trials"),
    [
        ("folder", write_folder, "anna", 3, 3 * N_TRIALS),
        ("epochs", write_epochs, "anna", 1, 2 * N_TRIALS),
        ("bids", write_bids, "01", 3, 3 * 28),
    ],
)
def test_what_is_found(tmp_path, name, write, subject, recordings, trials) -> None:
    facts = checked(write(tmp_path / "data"))
    assert facts["format"] == name
    assert facts["subjects"][0] == {
        "subject": subject,
        "recordings": recordings,
        "trials": trials,
        "classes": 2,
        "pictures": 6,
        "channels": [4],
        "sfreq": [128.0],
    }
    assert {one["state"] for one in facts["files"]} == {"loads"}
    assert facts["problems"] == []


def test_every_format_is_a_data_set_and_every_one_that_reads_files_has_a_format() -> None:
    names = {one.name for one in FORMATS}
    needy = {name for name in DATASETS.names() if DATASETS.spec(name).meta["needs_root"]}
    assert needy <= names


def test_checking_writes_nothing(folder: Path) -> None:
    before = {p: (p.stat().st_size, p.stat().st_mtime_ns) for p in folder.rglob("*")}
    checked(folder)
    assert {p: (p.stat().st_size, p.stat().st_mtime_ns) for p in folder.rglob("*")} == before


def test_simulated_files_are_called_so(folder: Path) -> None:
    (folder / "SIMULATED.json").write_text("{}")
    assert "these files are simulated (SIMULATED.json)" in checked(folder)["notes"]


# ---- wrong folders


def test_a_wrong_folder_is_one_clear_sentence(tmp_path: Path) -> None:
    result = zoo("check", "data", tmp_path)
    assert result.exit_code == 2
    assert result.stderr == (
        f"Error: {tmp_path} is no data set that is known here: it takes the files of "
        "eeg_imagenet40 (eeg_5_95_std.pth, block_splits_by_image_all.pth ...), those of "
        "things_eeg2 (sub-01/preprocessed_eeg_training.npy ...), a BIDS data set "
        "(dataset_description.json), recordings with a table trials.csv or epochs saved by MNE "
        "(*-epo.fif)\n"
    )
    facts = checked(tmp_path, code=2)
    assert (facts["format"], len(facts["problems"])) == (None, 1)
    assert zoo("check", "data", tmp_path / "no").stderr.startswith(
        f"Error: {tmp_path}/no is no folder; name the one that holds your recordings"
    )


def test_a_folder_of_pictures_that_is_not_there(tmp_path: Path) -> None:
    things_eeg2.write(tmp_path / "things", things_eeg2.Size(2, 6, 3, 3, 2, 4, posterior=True))
    images = tmp_path / "images"
    result = zoo("check", "data", tmp_path / "things", "--image-root", images)
    assert result.exit_code == 2
    said = f"Error: --image-root {images}: does not exist; name an existing folder\n"
    assert result.stderr == said
    facts = checked(tmp_path / "things", "--image-root", images, code=2)
    assert (facts["format"], len(facts["problems"])) == (None, 1)


def test_a_folder_too_high_up(folder: Path) -> None:
    result = zoo("check", "data", folder.parent)
    assert result.exit_code == 2
    assert result.stderr.rstrip().endswith(f"; {folder} looks like folder, name that")


# ---- folder


def test_everything_wrong_is_listed_at_once(folder: Path) -> None:
    (folder / "recordings/anna_1.fif").unlink()
    (folder / "recordings/anna_2.fif").write_bytes(b"nothing")
    write_fif(folder / "recordings/ben_2.fif", recording(0, 64)[:3], 64, ("Fz", "Cz", "Pz"))
    (folder / "images/cat/cat0.png").unlink()
    (folder / "images/dog/dog0.png").write_bytes(b"nothing")
    table = pd.read_csv(folder / "trials.csv", dtype=str)
    table.loc[2 * N_TRIALS, "onset"] = "99"
    table.to_csv(folder / "trials.csv", index=False)
    facts = checked(folder)
    starts = [
        "trials.csv line 2 belongs to the recording recordings/anna_1, which is not in",
        "recordings/anna_2.fif cannot be read as EEG: ",
        "recordings/ben_1.fif: 1 of 22 onsets lie outside its 24.0 s; onsets are in seconds",
        f"1 of 6 pictures are missing in {folder}/images: cat/cat0.png; add them",
        f"{folder}/images/dog/dog0.png cannot be read as a picture",
        "recordings are sampled at 64 and 128 Hz; choose one rate with dataset.params.resample",
        "recordings hold 3 and 4 EEG channels; choose channels that all have with dataset.params",
    ]
    assert len(facts["problems"]) == len(starts)
    for problem, start in zip(facts["problems"], starts, strict=True):
        assert problem.startswith(start)
    anna, ben = facts["subjects"]
    assert (anna["recordings"], anna["channels"]) == (0, [])
    assert (ben["recordings"], ben["channels"], ben["sfreq"]) == (2, [3, 4], [64, 128])
    text = zoo("check", "data", folder).stdout
    assert "can be used once what is wrong below is mended or left out" in text
    assert "  recordings/anna_2.fif  fails" in text
    assert f"  - {starts[2]}" in text


def test_no_recording_that_loads_is_exit_2(folder: Path) -> None:
    for path in (folder / "recordings").iterdir():
        path.write_bytes(b"nothing")
    assert len(checked(folder, code=2)["problems"]) == 4
    result = zoo("check", "data", folder)
    assert result.exit_code == 2
    assert result.stdout.startswith(f"{folder}: data set 'folder', cannot be used\n")


def test_a_table_that_cannot_be_read_is_exit_2(folder: Path) -> None:
    (folder / "trials.csv").write_text("onset,label\n1,cat\n")
    facts = checked(folder, code=2)
    assert facts["problems"][0].startswith("trials.csv has no column 'image'")
    assert facts["subjects"] == []


def test_pictures_elsewhere(folder: Path, tmp_path: Path) -> None:
    shutil.move(folder / "images", tmp_path / "pictures")
    assert "6 of 6 pictures are missing" in checked(folder)["problems"][0]
    assert checked(folder, "--image-root", tmp_path / "pictures")["problems"] == []


def test_pictures_that_are_not_named(folder: Path) -> None:
    table = pd.read_csv(folder / "trials.csv", dtype=str).assign(image="")
    table.to_csv(folder / "trials.csv", index=False)
    facts = checked(folder)
    assert facts["subjects"][0]["pictures"] == 6
    assert "paired with one of their category" in facts["notes"][0]
    shutil.rmtree(folder / "images/cat")
    facts = checked(folder)
    assert "images/cat is missing, but trials have the label 'cat'" in facts["problems"][0]
    assert facts["subjects"][0]["pictures"] == 3


def test_a_check_that_finds_nothing_wrong_means_that_it_loads(folder: Path) -> None:
    assert checked(folder)["problems"] == []
    dataset = DATASETS.create("folder", window=[0, 0.5])
    trials = dataset.load(folder)
    assert len(trials.table) == sum(one["trials"] for one in checked(folder)["subjects"])


# ---- bids and epochs


def test_bids_problems(tmp_path: Path) -> None:
    root = write_bids(tmp_path / "data", runs=("1", "2", "3"))
    eeg = root / "sub-01/eeg"
    (eeg / f"{stem_of('01', '1')}_events.tsv").unlink()
    (eeg / f"{stem_of('01', '2')}_eeg.eeg").unlink()
    for picture in (root / "stimuli/dog").iterdir():
        picture.unlink()
    problems = checked(root)["problems"]
    assert [problem.split("_eeg.vhdr")[0][-5:] for problem in problems[:2]] == ["run-1", "run-2"]
    assert "has no events.tsv beside it" in problems[0]
    assert "cannot be read as EEG" in problems[1]
    assert "stimuli/dog holds no picture, but trials have the trial_type 'dog'" in problems[2]


def test_bids_samples_that_are_not_numbers(tmp_path: Path) -> None:
    root = write_bids(tmp_path / "data", runs=("1",))
    eeg_CP = np.full((4, 30 * 128), np.nan)
    write_bids_run(root, "01", "1", eeg_CP, ["onset\tduration\ttrial_type", "1.0\t0.2\tcat"])
    assert "samples that are not numbers" in checked(root, code=2)["problems"][0]


def test_several_tasks_are_all_looked_through(tmp_path: Path) -> None:
    root = write_bids(tmp_path / "data", runs=("1",))
    for path in list((root / "sub-01/eeg").iterdir()):
        text = path.read_bytes().replace(b"task-look", b"task-hear")
        path.with_name(path.name.replace("task-look", "task-hear")).write_bytes(text)
    facts = checked(root)
    assert "holds the tasks hear, look; choose one with dataset.params.task" in facts["problems"][0]
    assert facts["subjects"][0]["recordings"] == 2


def test_epochs_problems(tmp_path: Path) -> None:
    root = write_epochs(tmp_path / "data", subjects=("anna",))
    (root / "ben-epo.fif").write_bytes(b"nothing")
    epochs = make_epochs("carl", "1")
    epochs.metadata = None
    epochs.save(root / "carl-epo.fif", verbose="error")
    problems = checked(root)["problems"]
    assert problems[0].startswith("ben-epo.fif cannot be read as epochs: ")
    assert problems[1].startswith("carl-epo.fif holds no metadata")
    (root / "anna-epo.fif").unlink()
    checked(root, code=2)


# ---- eeg_imagenet40: files of its form, small


LABELS = ["n02389026", "n03888257"]
IMAGES = [f"{label}_{i}" for label in LABELS for i in range(3)]


def segments(n: int = 12) -> dict:
    items = [
        {
            "eeg": torch.ones(128, 440 + i),
            "image": i % 6,
            "label": i % 6 // 3,
            "subject": i % 2 + 1,
        }
        for i in range(n)
    ]
    return {"dataset": items, "labels": LABELS, "images": IMAGES}


SPLIT = {"splits": [{"train": list(range(8)), "val": [8, 9], "test": [10, 11]}]}


@pytest.fixture
def imagenet(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    root.mkdir()
    torch.save(segments(), root / "eeg_5_95_std.pth", _use_new_zipfile_serialization=False)
    torch.save(segments(), root / "eeg_signals_raw_with_mean_std.pth")
    torch.save(SPLIT, root / "block_splits_by_image_all.pth")
    for name in IMAGES:
        path = root / f"images/{name.split('_')[0]}/{name}.JPEG"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(path)
    return root


def test_imagenet40(imagenet: Path) -> None:
    facts = checked(imagenet)
    assert facts["format"] == "eeg_imagenet40"
    assert facts["subjects"] == [
        {"subject": name, "recordings": 2, "trials": 6, "classes": 2, "pictures": 3,
         "channels": [128], "sfreq": [1000.0]} for name in "12"
    ]  # fmt: skip
    states = {one["file"]: (one["state"], one["what"]) for one in facts["files"]}
    what = "12 segments of 2 subjects, 2 of them with 450 to 600 samples"
    assert states == {
        "eeg_5_95_std.pth": ("loads", what),
        "eeg_14_70_std.pth": ("absent", ""),
        "eeg_55_95_std.pth": ("absent", ""),
        "eeg_signals_raw_with_mean_std.pth": ("loads", what),
        "block_splits_by_image_single.pth": ("absent", ""),
        "block_splits_by_image_all.pth": ("loads", "8 / 2 / 2 segments to train, validate, test"),
    }
    assert facts["problems"] == []


def test_imagenet40_needs_a_recording_and_a_split(imagenet: Path) -> None:
    (imagenet / "eeg_5_95_std.pth").unlink()
    checked(imagenet)
    (imagenet / "block_splits_by_image_all.pth").rename(imagenet / "kept")
    checked(imagenet, code=2)
    (imagenet / "kept").rename(imagenet / "block_splits_by_image_all.pth")
    (imagenet / "eeg_signals_raw_with_mean_std.pth").unlink()
    checked(imagenet, code=2)


class Malicious:
    def __reduce__(self):
        import os

        return os.system, ("true",)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_that_asks_for_more_is_refused_by_name(imagenet: Path, zipped: bool) -> None:
    torch.save(
        {"dataset": Malicious()},
        imagenet / "eeg_14_70_std.pth",
        _use_new_zipfile_serialization=zipped,
    )
    facts = checked(imagenet)
    (problem,) = facts["problems"]
    assert problem.startswith("eeg_14_70_std.pth asks for posix.system, which could run code")


def test_imagenet40_pictures(imagenet: Path, tmp_path: Path) -> None:
    flat = tmp_path / "flat"
    flat.mkdir()
    for path in (imagenet / "images").rglob("*.JPEG"):
        path.rename(flat / path.name)
    assert (
        f"6 of 6 pictures are missing in {imagenet}/images: n02389026_0.JPEG"
        in checked(imagenet)["problems"][0]
    )
    assert checked(imagenet, "--image-root", flat)["problems"] == []


def changed(**item: object) -> dict:
    content = segments()
    content["dataset"][3].update(item)
    return content


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([1], "eeg_14_70_std.pth holds list; it should hold dataset, labels, images"),
        (
            {"dataset": [], "labels": []},
            "holds dataset, labels; it should hold dataset, labels",
        ),
        (segments(0), "eeg_14_70_std.pth: 'dataset' should be a list of trials and is not, or is"),
        ({**segments(), "dataset": [{}]}, "item 0 of 'dataset' has no 'eeg'"),
        (changed(label=7), "'label' of item 3 is 7; the file lists 2"),
        (changed(label="cat"), "'label' of an item is no whole number"),
        (changed(eeg=torch.ones(440)), "'eeg' of item 3 has shape (440,)"),
        (changed(eeg=torch.full((128, 450), torch.nan)), "segment 3 holds samples that are not"),
        (segments(10), "the files do not hold the same number of segments: "),
    ],
)
def test_imagenet40_files_that_are_wrong(imagenet: Path, content: object, said: str) -> None:
    torch.save(content, imagenet / "eeg_14_70_std.pth")
    assert any(said in problem for problem in checked(imagenet)["problems"])


def test_imagenet40_splits_that_are_wrong(imagenet: Path) -> None:
    split = imagenet / "block_splits_by_image_single.pth"
    torch.save({"splits": [{"train": [1]}]}, split)
    assert "is no split file: it should hold 'splits'" in checked(imagenet)["problems"][0]
    torch.save({"splits": [{"train": [0], "val": [1], "test": [12]}]}, split)
    assert "names segment 12, but there are 12" in checked(imagenet)["problems"][0]
    split.write_bytes(b"nothing")
    assert "single.pth cannot be read as a PyTorch file" in checked(imagenet)["problems"][0]


# ---- things_eeg2


def test_things(tmp_path: Path) -> None:
    root = tmp_path / "data"
    things_eeg2.write(root, things_eeg2.Size(2, 6, 3, 3, 2, 4, posterior=True))
    facts = checked(root)
    assert facts["format"] == "things_eeg2"
    assert [one["subject"] for one in facts["subjects"]] == ["01", "02"]
    first = facts["subjects"][0]
    assert (first["recordings"], first["channels"]) == (2, [17])
    assert "each 2 times; 17 channels" in facts["files"][0]["what"]
    assert facts["problems"] == []
    (root / "sub-02/preprocessed_eeg_test.npy").unlink()
    (root / "sub-01/preprocessed_eeg_test.npy").write_bytes(b"nothing")
    next((root / "training_images").rglob("*.jpg")).unlink()
    (root / "test_images").rename(tmp_path / "kept")
    problems = checked(root)["problems"]
    assert problems[0].startswith("there is no test_images in")
    assert "conditions, but there are" in problems[1]
    assert "preprocessed_eeg_test.npy cannot be read as pickled arrays" in problems[2]
    assert problems[-1] == "sub-02/preprocessed_eeg_test.npy is missing"


# ---- from Python


def test_from_python(folder: Path) -> None:
    report = check_data(folder)
    assert report.usable
    assert report.subjects["anna"].classes == {"cat", "dog"}


def test_a_long_check_shows_how_far_it_is(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from zoo import progress
    from zoo.data_check import recordings

    monkeypatch.setattr(recordings, "bar", lambda *a, **k: progress.bar(*a, **{**k, "delay": 1e-3}))
    clock = iter(np.arange(0, 1e5, 30.0))
    monkeypatch.setattr("tqdm.std.time", lambda: next(clock))
    result = zoo("check", "data", folder)
    assert "check:" in result.stderr
    assert "4/4" in result.stderr
