"""The 40-class block-design set: its files as released, their quirks, and what is refused."""

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from imagenet40_folder import linked, rewritten, write_imagenet40
from PIL import Image
from scipy.signal import butter, sosfiltfilt

import zoo
from registry import BadParameters
from zoo.contracts import DataError
from zoo.datasets._imagenet40_classes import NAMES, SYNSETS
from zoo.datasets.eeg_imagenet40 import EegImagenet40
from zoo.recipe import RecipeError, load_recipe

FILE = "eeg_5_95_std.pth"
RAW = "eeg_signals_raw_with_mean_std.pth"
ROOT = Path(__file__).resolve().parent.parent
SINGLE, ALL = "block_splits_by_image_single.pth", "block_splits_by_image_all.pth"


@pytest.fixture(scope="session")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_imagenet40(tmp_path_factory.mktemp("imagenet40"))


@pytest.fixture
def root(released: Path, tmp_path: Path) -> Path:
    """A folder of links, files of which may be replaced."""
    return linked(released, tmp_path / "root")


def stored(root: Path, name: str = FILE) -> Any:
    return torch.load(root / name, weights_only=True)


def refused(root: Path, **params: Any) -> str:
    with pytest.raises(DataError) as caught:
        EegImagenet40(**params).load(root)
    return str(caught.value)


def test_a_trial_is_samples_20_to_460_of_its_item(released: Path) -> None:
    trials = EegImagenet40().load(released)
    items = stored(released)["dataset"]
    images = stored(released)["images"]
    assert trials.eeg.shape[1:] == (128, 440)
    for row in (0, 17, len(trials.table) - 1):
        trial = trials.table.iloc[row]
        item = items[int(trial.trial_id.rpartition("_")[2])]
        assert np.array_equal(trials.eeg[row], item["eeg"][:, 20:460].numpy())
        assert (trial.label, int(trial.subject_name)) == (item["label"], item["subject"])
        assert trial.image_id == images[item["image"]]
        assert trial.image_id.startswith(SYNSETS[trial.label])
    assert trials.image_known


def test_the_40_classes() -> None:
    assert len(set(NAMES)) == len(set(SYNSETS)) == 40
    assert NAMES[SYNSETS.index("n02951358")] == "canoe"
    assert EegImagenet40().signal().class_names == NAMES


def test_both_formats_of_pytorch_give_the_same(released: Path, root: Path) -> None:
    (old := root / FILE).resolve()
    assert old.read_bytes()[:2] != b"PK"
    rewritten(root, FILE)
    assert (root / FILE).read_bytes()[:2] == b"PK"
    for name in (SINGLE, ALL):
        rewritten(root, name)
    here, there = EegImagenet40().load(root), EegImagenet40().load(released)
    assert np.array_equal(here.eeg, there.eeg)
    assert here.table.equals(there.table)


class Evil:
    """Runs a command when it is unpickled."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.proof}",)


@pytest.mark.parametrize("zipped", [False, True], ids=["legacy", "zip"])
@pytest.mark.parametrize("name", [FILE, SINGLE])
def test_a_pickle_that_asks_for_code_is_refused_by_name(
    root: Path, tmp_path: Path, name: str, zipped: bool
) -> None:
    proof = tmp_path / "ran"
    (root / name).unlink()
    torch.save(
        {"dataset": [Evil(proof)], "splits": [Evil(proof)]},
        root / name,
        _use_new_zipfile_serialization=zipped,
    )
    text = refused(root)
    assert text.startswith(f"{name} asks for {os.system.__module__}.system, which could run code")
    assert not proof.exists()


@pytest.mark.parametrize("content", [b"", b"junk" * 99, pickle.dumps({"a": 1})])
def test_a_file_that_is_none_is_named(root: Path, content: bytes) -> None:
    (root / FILE).unlink()
    (root / FILE).write_bytes(content)
    assert refused(root).startswith(f"{FILE} cannot be read as a PyTorch file (")


def test_a_download_that_broke_off_is_named(root: Path) -> None:
    content = (root / FILE).read_bytes()
    (root / FILE).unlink()
    (root / FILE).write_bytes(content[: len(content) // 2])
    assert refused(root).startswith(f"{FILE} cannot be read as a PyTorch file (")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("labels") and None, "holds dataset, images; it should hold dataset, la"),
        (lambda c: c["dataset"][3].pop("subject") and None, "item 3 of 'dataset' has no 'subject'"),
        (
            lambda c: c["dataset"][3].update(eeg=torch.zeros(64, 500)),
            "'eeg' of item 3 has shape (64, 500); it should be (128, samples)",
        ),
        (lambda c: c["labels"].__setitem__(0, "n00000001"), "label 'n00000001' is none of the 40"),
        (
            lambda c: c["images"].__setitem__(0, "../../x"),
            "lists a picture '../../x'; its pictures",
        ),
        (lambda c: c["dataset"][2].update(label=40), "'label' of item 2 is 40; the file lists 40"),
        (lambda c: c["dataset"][2].update(subject=7), "a trial is of subject 7; there are 1 to 6"),
    ],
)
def test_content_that_is_not_as_released(root: Path, change: Any, message: str) -> None:
    rewritten(root, FILE, change)
    assert message in refused(root)


def test_labels_are_known_by_synset_not_by_their_place(released: Path, root: Path) -> None:
    def turn(content: Any) -> None:
        content["labels"].reverse()
        for item in content["dataset"]:
            item["label"] = 39 - item["label"]

    rewritten(root, FILE, turn)
    here, there = EegImagenet40().load(root), EegImagenet40().load(released)
    assert here.table.label.tolist() == there.table.label.tolist()


def published(root: Path, split_file: str, subject: int | None, *, filter_first: bool) -> dict:
    """Return item numbers of each part as published code finds them, for one subject or all."""
    items = list(enumerate(stored(root)["dataset"]))
    mine = [pair for pair in items if subject in (None, pair[1]["subject"])]
    listed = mine if filter_first else items
    found = {}
    for part, indices in stored(root, split_file)["splits"][0].items():
        chosen = [listed[i] for i in indices if i < len(listed)]
        found[part] = sorted(
            number
            for number, item in chosen
            if 450 <= item["eeg"].shape[1] <= 600 and subject in (None, item["subject"])
        )
    return found


@pytest.mark.parametrize("subject", [1, 2])
@pytest.mark.parametrize(
    ("split", "file", "filter_first"),
    [
        ("single", SINGLE, True),
        ("single_of_file", SINGLE, False),
        ("all", ALL, False),
        ("all_of_subject", ALL, True),
    ],
)
def test_official_splits_as_published_code_counts(
    released: Path, split: str, file: str, filter_first: bool, subject: int
) -> None:
    dataset = EegImagenet40(split=split)
    table = dataset.load(released).table
    mine = table.subject == subject - 1
    parts = dataset.split_of(table)
    expected = published(released, file, subject, filter_first=filter_first)
    assert sum(map(len, expected.values())) > 4
    for part, numbers in expected.items():
        rows = table[mine & (parts == part)]
        assert sorted(int(i.rpartition("_")[2]) for i in rows.trial_id) == numbers


def test_the_order_matters_and_all_is_by_image(released: Path) -> None:
    table = EegImagenet40().load(released).table
    counted = {name: EegImagenet40(split=name).split_of(table) for name in table.columns[-4:]}
    assert not np.array_equal(counted["single"], counted["single_of_file"])
    assert not np.array_equal(counted["all"], counted["all_of_subject"])
    assert (counted["single"] == "").mean() > 0.4, "about half of the trials are in no part"
    by_image = table.groupby("image_id").trial_id.count().index
    for image in by_image:
        assert len(set(counted["all"][table.image_id == image])) == 1


def test_split_files_may_be_missing_until_they_are_asked_for(root: Path) -> None:
    (root / SINGLE).unlink()
    table = EegImagenet40().load(root).table
    assert set(EegImagenet40(split="all").split_of(table)) == {"train", "val", "test"}
    with pytest.raises(DataError, match=f"'single', which needs {SINGLE}, and the data root"):
        EegImagenet40(split="single").split_of(table)
    by_subject = EegImagenet40(split={"by": "subject", "test": [2]}).split_of(table)
    assert {*by_subject} == {"train", "test"}


def test_split_files_that_cannot_be_right(root: Path) -> None:
    def twice(content: Any) -> None:
        content["splits"][0]["test"].append(content["splits"][0]["train"][0])

    def beyond(content: Any) -> None:
        content["splits"][0]["val"].append(11_000)

    original = rewritten(root, ALL).read_bytes()
    rewritten(root, ALL, twice)
    assert re.search(rf"^{ALL} names index \d+ more than once$", refused(root))
    (root / ALL).write_bytes(original)
    rewritten(root, ALL, beyond)
    assert f"{ALL} names trial 11000, but the data file has 61 trials" in refused(root)
    rewritten(root, ALL, lambda content: content["splits"])
    assert f"{ALL} is no split file" in refused(root)


def test_length_rule_of_published_code(root: Path) -> None:
    def lengths(content: Any) -> None:
        for item in content["dataset"]:
            item["eeg"] = item["eeg"][:, :499].clone()
        for item, length in zip(content["dataset"], (449, 450, 600, 601, 500), strict=False):
            item["eeg"] = torch.randn(128, length)

    rewritten(root, FILE, lengths)
    kept = EegImagenet40(window=[0, 0.4]).load(root)
    numbers = {int(i.rpartition("_")[2]) for i in kept.table.trial_id}
    assert numbers >= {1, 2, 4}
    assert not numbers & {0, 3}
    assert "2 of 61 trials were dropped: 2 of fewer or more samples than [450, 600]" in kept.notes
    short = EegImagenet40().load(root)
    assert any("too short for the window [0.02, 0.46] s" in note for note in short.notes)
    assert len(short.table) == 58
    everything = EegImagenet40(window=[0, 0.4], lengths=None).load(root)
    assert "all 61 trials were kept" in everything.notes
    assert "no segment holds the window [0.0, 0.9] s" in refused(root, window=[0.0, 0.9])


def test_the_band_chooses_the_file(released: Path) -> None:
    for band, name in {(14, 70): "eeg_14_70_std.pth", (55, 95): "eeg_55_95_std.pth"}.items():
        trials = EegImagenet40(band=band).load(released)
        first = int(trials.table.trial_id[0].rpartition("_")[2])
        item = stored(released, name)["dataset"][first]
        assert np.array_equal(trials.eeg[0], item["eeg"][:, 20:460].numpy())
        low, high = band
        assert f"EEG of {name}: filtered at {low}-{high} Hz and scaled by its authors" in (
            trials.notes
        )


@pytest.mark.parametrize(
    "params", [{"band": [1, 70]}, {"band": [5, 95], "refilter": True}, {"band": None}]
)
def test_other_bands_come_from_the_raw_segments(released: Path, params: dict) -> None:
    trials = EegImagenet40(**params).load(released)
    raw = stored(released, RAW)
    number = int(trials.table.trial_id[5].rpartition("_")[2])
    segment = raw["dataset"][number]["eeg"].double().numpy()
    segment = (segment - raw["means"].numpy()[:, None]) / raw["stddevs"].numpy()[:, None]
    if params["band"]:
        sections = butter(2, params["band"], "bandpass", fs=1000, output="sos")
        segment = sosfiltfilt(sections, segment, padlen=segment.shape[1] - 1)
    assert np.allclose(trials.eeg[5], segment[:, 20:460], atol=1e-4)
    note = next(n for n in trials.notes if n.startswith(f"EEG of {RAW}"))
    assert "slow drift, which betrays blocks" in note
    assert ("scipy.signal.butter, order 2" in note) == bool(params["band"])


def test_a_missing_band_is_never_made_up_for(root: Path) -> None:
    (root / FILE).unlink()
    assert f"does not hold {FILE}, which the band [5, 95] Hz needs; it holds " in refused(root)
    assert len(EegImagenet40(refilter=True).load(root).eeg)
    (root / RAW).unlink()
    assert f"does not hold {RAW}, which unfiltered EEG needs" in refused(root, band=None)


def test_raw_values_need_their_scale(root: Path) -> None:
    rewritten(root, RAW, lambda content: content.pop("stddevs") is None)
    assert refused(root, band=None) == f"{RAW} lacks 'means' or 'stddevs'; fetch the file again"


def test_resampling(released: Path) -> None:
    trials = EegImagenet40(resample=250).load(released)
    assert trials.eeg.shape[2] == trials.signal.n_times == 110
    slow = EegImagenet40().load(released).eeg[:, :, ::4]
    assert np.corrcoef(trials.eeg[3, 7], slow[3, 7])[0, 1] > 0.98


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"subjects": [7]}, "there is no subject '7'; there are: 1, 2, 3, 4, 5, 6"),
        ({"subjects": []}, "'subjects' is empty; leave it out for all"),
        ({"split": "singel"}, "Did you mean 'single'?"),
        ({"lengths": [600, 450]}, "it takes [shortest, longest] in samples"),
        ({"band": None, "refilter": True}, "'refilter' needs a 'band' to filter to"),
        ({"image_size": 16}, "it takes at least 64"),
    ],
)
def test_parameters_that_cannot_be_right(params: dict, message: str) -> None:
    with pytest.raises(BadParameters) as caught:
        EegImagenet40(**params)
    assert message in str(caught.value)


def test_a_window_before_the_onset_cannot_be_had() -> None:
    with pytest.raises(DataError, match="segments of this data set begin at the picture's onset"):
        EegImagenet40(window=[-0.1, 0.4]).signal()


def test_missing_pictures_are_listed_at_once(released: Path, root: Path) -> None:
    (root / "images").unlink()
    shutil.copytree(released / "images", root / "images")
    lost = sorted((root / "images").rglob("*.JPEG"))[:6]
    for path in lost:
        path.unlink()
    text = refused(root)
    assert text.startswith(f"6 of 31 pictures are missing in {root / 'images'}: ")
    assert text.count(".JPEG") == 4
    assert "--image-root" in text


def test_pictures_may_lie_in_imagenet_or_flat(released: Path, tmp_path: Path) -> None:
    dataset = EegImagenet40(image_size=64)
    ids = sorted(path.stem for path in (released / "images").rglob("*.JPEG"))[:3]
    here = dataset.images(ids, released)
    shutil.copytree(released / "images", tmp_path / "imagenet" / "train")
    (tmp_path / "flat").mkdir()
    for path in (released / "images").rglob("*.JPEG"):
        shutil.copy(path, tmp_path / "flat")
    for place in ("imagenet", "flat"):
        assert np.array_equal(dataset.images(ids, released, tmp_path / place), here)
    with Image.open(next((tmp_path / "flat").iterdir())) as picture:
        assert picture.size == (256, 256)


def test_fingerprint_follows_the_files_in_use(root: Path) -> None:
    before = EegImagenet40().fingerprint(root)
    (root / RAW).unlink()
    assert EegImagenet40().fingerprint(root) == before, "the raw file is not in use"
    rewritten(root, SINGLE)
    assert EegImagenet40().fingerprint(root) != before
    with pytest.raises(DataError, match="--data-root"):
        EegImagenet40().fingerprint(None)


def test_runs_on_simulated_files_say_so(released: Path, root: Path) -> None:
    recipe = load_recipe("paper", data_root=released)
    assert (recipe.data, recipe.scale, recipe.stand_ins) == (
        "simulated", "pocket", ("data", "weights"),
    )  # fmt: skip
    with pytest.raises(RecipeError, match="holds simulated recordings"):
        load_recipe("paper", data_root=released, scale="full")
    assert any(note.startswith("simulated: ") for note in EegImagenet40().load(root).notes)
    (root / "SIMULATED.json").unlink()
    recipe = load_recipe("paper", data_root=root)
    assert (recipe.data, recipe.scale, recipe.stand_ins) == ("real", "mixed", ("weights",))
    assert not any("simulated" in note for note in EegImagenet40().load(root).notes)


def test_the_paper_s_recipe_runs_on_these_files(released: Path, tmp_path: Path) -> None:
    small = [
        "encoder.train.epochs=1", "encoder.train.batch_size=16", "conditioner.train.steps=2",
        "conditioner.train.batch_size=4", "pipeline.sample.steps=2", "controls=[]",
        "dataset.params.limit=4", "dataset.params.split=all",
    ]  # fmt: skip
    done = zoo.run(
        "paper", overrides=small, data_root=released, store=tmp_path / "store", out=tmp_path / "out"
    )
    assert not done.failures
    found = json.loads((done.folder / "results.json").read_text())
    assert (found["data"], found["stand_ins"]) == ("simulated", ["data", "weights"])
    (cell,) = found["cells"]
    assert cell["metrics"]["accuracy"]["n"] == 4
    assert cell["metrics"]["image_class_accuracy"]["reason"].endswith("names no judge")
    assert cell["notes"][0].startswith("Contested recordings (Li et al. 2021;")
    assert any("image 0 %, block 100 %" in note for note in cell["notes"])
    assert "Contested recordings" in (done.folder / "report.html").read_text()


MEASURE = """
import resource, sys
from pathlib import Path
import torch, scipy.signal, pandas
from zoo.datasets.eeg_imagenet40 import EegImagenet40
from zoo.stages import prepare
from zoo.stages._context import Context
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before, root, out = peak(), Path(sys.argv[1]), Path(sys.argv[2])
params = {"dataset": "eeg_imagenet40", "params": {"band": [5, 95]}, "fingerprint": ""}
prepare.run({}, params, out, Context(work=out, data_root=root))
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read in Linux's unit")
@pytest.mark.parametrize("zipped", [False, True], ids=["legacy", "zip"])
def test_preparation_holds_the_file_once(root: Path, tmp_path: Path, zipped: bool) -> None:
    def many(content: Any) -> None:
        one = content["dataset"]
        content["dataset"] = [
            {**one[i % len(one)], "eeg": torch.zeros(128, 500)} for i in range(1000)
        ]

    file = rewritten(root, FILE, many, _use_new_zipfile_serialization=zipped)
    size = file.stat().st_size
    assert size > 250e6
    (out := tmp_path / "out").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(root), str(out)],
        capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    extra = int(done.stdout.split()[-1]) * 1024 - size
    assert (out / "eeg.npy").stat().st_size > 0.85 * size
    assert extra < 0.35 * size, f"{extra / 1e6:.0f} MB beside the file's {size / 1e6:.0f} MB"
