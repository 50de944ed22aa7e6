"""Made-up files: their format is the real one, they are marked, nothing is overwritten."""

from __future__ import annotations

import json
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import torch
from cli_runner import zoo
from click.testing import Result
from imagenet40_folder import TINY
from PIL import Image

from zoo.datasets._imagenet40_classes import SYNSETS
from zoo.simulate import eeg_imagenet40 as simulation

BANDS = ("eeg_5_95_std.pth", "eeg_14_70_std.pth", "eeg_55_95_std.pth")
RAW = "eeg_signals_raw_with_mean_std.pth"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    out = tmp_path_factory.mktemp("simulate") / "sim"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulation, "SMALL", TINY)
        return out, zoo("simulate", "eeg_imagenet40", out)


def test_the_command_says_what_it_needs_and_what_it_wrote(made: tuple[Path, Result]) -> None:
    out, result = made
    assert result.exit_code == 0, result.output
    assert "61 trials of 2 subjects and 4 classes" in result.stderr
    assert "GB when done" in result.stderr
    assert result.stdout == f"wrote {out}; use it with --data-root {out}\n"
    assert {path.name for path in out.iterdir()} == {
        *BANDS, RAW, "block_splits_by_image_single.pth", "block_splits_by_image_all.pth",
        "images", "SIMULATED.json",
    }  # fmt: skip
    assert json.loads((out / "SIMULATED.json").read_text())["seed"] == 0


def test_files_are_of_the_released_form(made: tuple[Path, Result]) -> None:
    out, _ = made
    lengths = []
    for name in (*BANDS, RAW):
        content = torch.load(out / name, weights_only=True)
        assert set(content) == {"dataset", "labels", "images"} | (
            {"means", "stddevs"} if name == RAW else set()
        )
        assert content["labels"] == list(SYNSETS)
        assert len(content["dataset"]) == 61
        assert len(content["images"]) == len(set(content["images"])) == 31
        for item in content["dataset"]:
            assert {type(item[key]) for key in ("image", "label", "subject")} == {int}
            assert item["eeg"].dtype == torch.float32
            assert item["eeg"].untyped_storage().nbytes() == item["eeg"].nbytes, "of its own"
            assert content["images"][item["image"]].startswith(SYNSETS[item["label"]])
        lengths.append([item["eeg"].shape[1] for item in content["dataset"]])
        labels = [item["label"] for item in content["dataset"]]
        assert labels != sorted(labels), "items are shuffled over classes"
    assert lengths[0] == lengths[1] == lengths[2] == lengths[3]
    assert min(lengths[0]) >= 491
    assert sum(length > 600 for length in lengths[0]) == 2
    raw = torch.cat([item["eeg"] for item in content["dataset"]], dim=1)
    assert torch.equal(raw, raw.round())
    assert raw.abs().max() <= 32768
    assert torch.allclose(raw.mean(1), content["means"], atol=1e-2)
    assert torch.allclose(raw.std(1), content["stddevs"], rtol=1e-3)


def test_drift_by_block_is_in_the_raw_file_and_not_in_a_band(made: tuple[Path, Result]) -> None:
    def between_blocks(name: str) -> float:
        """Return how much of the variance of trial means lies between blocks."""
        items = torch.load(made[0] / name, weights_only=True)["dataset"]
        mine = [item for item in items if item["subject"] == 1]
        mean_NC = np.array([item["eeg"].mean(1).numpy() for item in mine])
        block = np.array([item["label"] for item in mine])
        of_block = np.array([mean_NC[block == b].mean(0) for b in block])
        return float(of_block.var(0).sum() / mean_NC.var(0).sum())

    # a seventh, and a little for the waves of the class, is what chance leaves between blocks
    assert between_blocks(RAW) > 0.4
    assert between_blocks(BANDS[0]) < 0.25


def test_the_same_seed_gives_the_same_content(made: tuple[Path, Result], tmp_path: Path) -> None:
    simulation.write(tmp_path, TINY, seed=0)
    for path in sorted(p for p in made[0].rglob("*") if p.is_file()):
        again = tmp_path / path.relative_to(made[0])
        if path.suffix == ".pth":  # the older format names tensors by their place in memory
            both = [torch.load(file, weights_only=True) for file in (path, again)]
            assert _plain(both[0]) == _plain(both[1]), path
        else:
            assert again.read_bytes() == path.read_bytes(), path


def _plain(content: object) -> object:
    if isinstance(content, torch.Tensor):
        return content.numpy().tobytes()
    if isinstance(content, dict):
        return {key: _plain(value) for key, value in content.items()}
    return [_plain(value) for value in content] if isinstance(content, list) else content


def test_undrawn_classes_get_a_card(made: tuple[Path, Result]) -> None:
    def colours(synset: str) -> int:
        with Image.open(next((made[0] / "images" / synset).iterdir())) as picture:
            assert picture.size == (256, 256)
            return len(np.unique(np.asarray(picture.convert("RGB")).reshape(-1, 3), axis=0))

    sorrel, parachute = SYNSETS[:2]
    assert colours(sorrel) < 0.1 * colours(parachute)


def test_full_size_counts_as_the_real_set() -> None:
    items = simulation._draw_items(simulation.FULL, 0)
    assert len(items.label) == simulation.FULL.n_items == 11_965
    assert len(items.names) == 1_996
    assert np.bincount(items.subject)[1:].min() > 1_980
    assert items.length.min() == 491
    assert 505 < np.median(items.length) < 515
    assert (items.length >= 700).sum() == 10
    bytes_of_eeg = 4 * int(items.offset[-1])
    assert abs(bytes_of_eeg / 3.1338e9 - 1) < 0.01, "the released file has 3,135,625,420 bytes"


def test_full_size_splits(tmp_path: Path) -> None:
    simulation._write_splits(tmp_path, simulation._draw_items(simulation.FULL, 0), 0)
    single, every = (
        torch.load(tmp_path / f"block_splits_by_image_{kind}.pth", weights_only=True)["splits"][0]
        for kind in ("single", "all")
    )
    assert [len(single[part]) for part in ("train", "val", "test")] == [669, 167, 164]
    assert sorted(index for part in single.values() for index in part) == list(range(1000))
    assert sorted(index for part in every.values() for index in part) == list(range(11_965))


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    result = zoo("simulate", "eeg_imagenet40", tmp_path)
    assert result.exit_code == 2
    assert "is not an empty folder; name a new one, nothing is overwritten" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_data_set_without_simulation_is_named(tmp_path: Path) -> None:
    result = zoo("simulate", "eeg_imagenet", tmp_path / "out")
    assert result.exit_code == 2
    assert "'eeg_imagenet' cannot be simulated. Did you mean 'eeg_imagenet40'?" in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_full_disk_is_noticed_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(2e9, 1e9, 1e9))
    result = zoo("simulate", "eeg_imagenet40", tmp_path / "out", "--full-size")
    assert result.exit_code == 2
    assert "has 1.0 GB of free disk, 15.7 GB are needed" in result.stderr
    assert not any((tmp_path / "out").iterdir())
