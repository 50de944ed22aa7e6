"""The worked example of docs/data.md: written as printed, checked, validated, prepared."""

from __future__ import annotations

import json
import re
from pathlib import Path

import mne
import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from PIL import Image

import cli
from zoo.registries import DATASETS
from zoo.stages import prepare, select
from zoo.stages._context import Context

PAGE = Path(__file__).parent.parent / "docs" / "data.md"


def blocks() -> dict[str, str]:
    """Return the fenced blocks of the section by language; the tree of files has none."""
    section = PAGE.read_text("utf-8").partition("\n### A folder with one table")[2]
    section = section.partition("\n### ")[0]
    return dict(re.findall(r"^```(\w*)\n(.*?)^```$", section, re.MULTILINE | re.DOTALL))


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder my-data and the recipe mine.yaml, in the working folder."""
    monkeypatch.chdir(tmp_path)
    root, printed, rng = tmp_path / "my-data", blocks(), np.random.default_rng(0)
    names = re.findall(r"^  ([\w./]+)", printed[""], re.MULTILINE)
    assert "recordings/ben_2.npy" in names
    about = json.loads(printed["json"])
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        eeg_CP = rng.normal(0, 10, (4, 6 * about["sfreq"]))
        match path.suffix:
            case ".csv":
                path.write_text(printed["csv"])
            case ".json":
                path.write_text(printed["json"])
            case ".png":
                pixels = rng.integers(0, 256, (70, 80, 3), np.uint8)
                Image.fromarray(pixels).save(path)
            case ".npy":
                np.save(path, eeg_CP)
            case ".fif":
                info = mne.create_info(about["ch_names"], about["sfreq"], "eeg")
                raw = mne.io.RawArray(eeg_CP * 1e-6, info, verbose="error")
                raw.save(path, verbose="error")
            case other:
                raise AssertionError(other)
    (tmp_path / "mine.yaml").write_text(printed["yaml"])
    return root


@pytest.mark.usefixtures("example")
def test_the_check_prints_what_the_page_shows() -> None:
    command, _, shown = blocks()["console"].partition("\n")
    words = command.removeprefix("$ zoo ").split()
    result = CliRunner().invoke(cli.main, words)
    assert result.exit_code == 0
    assert result.stdout == shown


@pytest.mark.usefixtures("example")
@pytest.mark.parametrize("command", [["validate"], ["plan", "--data-root", "my-data"]])
def test_the_recipe_is_valid_and_planned(command: list[str]) -> None:
    result = CliRunner().invoke(cli.main, [command[0], "mine.yaml", *command[1:]])
    assert result.exit_code == 0, result.output


def test_the_trials_are_prepared_and_divided(example: Path, tmp_path: Path) -> None:
    params = yaml.safe_load(blocks()["yaml"])["dataset"]["params"]
    given = {"dataset": "folder", "params": params, "seed": 0, "fingerprint": ""}
    context = Context(work=tmp_path, data_root=example)
    prepared, selected = tmp_path / "prepared", tmp_path / "selected"
    prepared.mkdir()
    prepare.run({}, given, prepared, context)
    assert np.load(prepared / "eeg.npy").shape == (12, 4, 100)
    assert json.loads((prepared / "notes.json").read_text()) == ["all 12 trials were kept"]
    selected.mkdir()
    select.run({"prepare": prepared}, given, selected, context)
    assert sorted(np.load(selected / "select.npz")["split"]) == ["test"] * 6 + ["train"] * 6


def test_every_parameter_that_the_section_names_is_one() -> None:
    section = PAGE.read_text("utf-8").partition("\n### A folder with one table")[2]
    named = set(re.findall(r"`(\w+): ", section.partition("\n### ")[0]))
    assert named == {"recordings", "labels"}
    assert all(DATASETS.spec("folder").parameter(name) for name in named)
