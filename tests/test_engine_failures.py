"""What goes wrong in a run, and what is left of it: no error may cost more than it has to."""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from engine_toys import CELL, add_parts, recipe, with_
from toy_parts import ToyData

from registry import UserError
from zoo.contracts import DataError
from zoo.engine import plan as planning
from zoo.engine.run import RunResult, run
from zoo.engine.store import MANIFEST, Store
from zoo.recipe.cells import Cell
from zoo.recipe.errors import Problems
from zoo.recipe.nodes import plain
from zoo.recipe.yaml_strict import parse


@pytest.fixture(autouse=True)
def _toys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    add_parts(monkeypatch)
    monkeypatch.setattr(planning, "STAGES", "toy_stages")
    report_is(monkeypatch, lambda folder: (folder / "report.html").write_text("<html>"))
    monkeypatch.chdir(tmp_path)


def report_is(monkeypatch: pytest.MonkeyPatch, write: Callable[[Path], object]) -> None:
    monkeypatch.setitem(sys.modules, "zoo.report", SimpleNamespace(write_report=write))


def run_toys(*cells: Cell, **options: object) -> RunResult:
    return run(recipe(*cells), **options)


def stage_is(monkeypatch: pytest.MonkeyPatch, stage: str, fails: Callable[..., None]) -> None:
    """Let `fails` look at the arguments of a stage before it runs."""
    module = importlib.import_module(f"toy_stages.{stage}")
    runs = module.run

    def first_fails(inputs: Any, params: Any, out: Path, context: Any) -> None:
        fails(params, out)
        runs(inputs, params, out, context)

    monkeypatch.setattr(module, "run", first_fails)


def read(result: RunResult, name: str) -> Any:
    return json.loads((result.folder / name).read_text())


# ---- errors of stages


def test_a_user_error_of_a_control_costs_the_control_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(params: dict[str, Any], _: Path) -> None:
        if params["control"] == "shuffled_eeg":
            raise UserError("one trial cannot be shuffled")

    stage_is(monkeypatch, "generate", fails)
    result = run_toys()
    assert result.failed == ["cell"]
    real, shuffled, ceiling = read(result, "results.json")["cells"]
    assert real["metrics"]["accuracy"]["value"] == 1.0
    assert ceiling["metrics"]["image_class_accuracy"]["value"] == 1.0
    failed = shuffled["metrics"]["image_class_accuracy"]
    assert failed["value"] is None
    assert "one trial cannot be shuffled" in (shuffled["failures"][0]["message"])


def test_a_user_error_of_the_only_metric_leaves_the_pictures(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(*_: object) -> None:
        raise UserError("too few trials")

    stage_is(monkeypatch, "evaluate", fails)
    result = run_toys(replace(CELL, metrics=CELL.metrics[1:], controls=()))
    assert result.failed == ["cell"]
    assert (result.folder / "gallery" / "cell" / "real" / "t06_0.png").is_file()


@pytest.mark.parametrize("metrics", [CELL.metrics, ()])
def test_a_user_error_that_every_figure_meets_is_raised(
    monkeypatch: pytest.MonkeyPatch, metrics: tuple[Any, ...]
) -> None:
    def fails(*_: object) -> None:
        raise UserError("no test trial is left")

    stage_is(monkeypatch, "select", fails)
    with pytest.raises(UserError, match="no test trial is left"):
        run_toys(replace(CELL, metrics=metrics))
    assert not Path("runs").exists()


def test_a_stage_that_times_out_fails_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = []

    def fails(*_: object) -> None:
        calls.append(1)
        raise TimeoutError("the disk did not answer")

    stage_is(monkeypatch, "encode", fails)
    result = run_toys()
    assert len(calls) == 1
    assert "another run" not in capsys.readouterr().err
    assert result.failures[0].message == "TimeoutError: the disk did not answer"


def test_training_before_a_kill_counts_in_the_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module("toy_stages.encode")
    runs = module.run

    def resumed(inputs: Any, params: Any, out: Path, context: Any) -> None:
        runs(inputs, params, out, context)
        (out / "encode.json").write_text(json.dumps({"selected_on": "val", "seconds": 321.0}))

    monkeypatch.setattr(module, "run", resumed)
    real = read(run_toys(), "results.json")["cells"][0]
    assert real["timings"]["encode"] == 321.0
    assert real["timings"]["generate"] < 60


# ---- errors while the run folder is written


def test_a_picture_that_cannot_be_read_costs_the_seen_pictures_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def images(*_: object) -> None:
        raise DataError("i.png: cannot be read")

    monkeypatch.setattr(ToyData, "images", images)
    result = run_toys()
    gallery = result.folder / "gallery" / "cell"
    assert {p.name for p in gallery.iterdir()} == {
        "real", "shuffled_eeg", "class_label", "index.csv",
    }  # fmt: skip
    said = "the gallery of cell could not be written: i.png: cannot be read"
    assert said in capsys.readouterr().err
    assert result.failed == []
    assert [f.label for f in result.failures] == ["gallery of cell"]
    assert read(result, "results.json")["cells"][0]["metrics"]["accuracy"]["value"] == 1.0
    assert (result.folder / "report.html").is_file()


def test_a_report_that_fails_costs_the_report_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_: Path) -> None:
        raise KeyError("column")

    report_is(monkeypatch, broken)
    result = run_toys()
    assert (result.folder / "results.csv").is_file()
    assert (result.folder / "provenance.json").is_file()
    assert "the report could not be written: KeyError" in capsys.readouterr().err
    assert [f.label for f in result.failures] == ["report"]
    (text,) = [p.read_text() for p in (result.folder / "failures").iterdir()]
    assert "Traceback" in text
    assert Path("runs/latest").resolve() == result.folder.resolve()


def test_data_that_are_gone_after_the_last_stage_are_not_read_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "eeg.txt").write_text("1 2 3")
    gone = []

    def unmount(*_: object) -> None:
        if not gone:
            gone.append((data / "eeg.txt").read_text())
            (data / "eeg.txt").unlink()

    stage_is(monkeypatch, "evaluate", unmount)
    result = run_toys(with_(CELL, "dataset", name="rooted_data"), data_root=data)
    assert gone
    assert not result.failures
    about = read(result, "provenance.json")
    assert len(about["datasets"]["rooted_data"]) == 64
    assert about["images"] is None


def test_provenance_names_the_pictures_that_were_used(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    (pictures / "a.png").write_bytes(b"a")
    about = read(run_toys(image_root=pictures), "provenance.json")
    assert len(about["images"]) == 64


def test_the_recipe_that_is_written_reads_back_as_it_was() -> None:
    resolved = {
        "schema": 1, "name": "toys", "subjects": ["08", "012", "1e3", "0x1F", "no", "1:30"],
        "lr": 1e-05, "again": ["08"], "none": None, "text": "a: b # ü",
    }  # fmt: skip
    folder = run(replace(recipe(), resolved=resolved)).folder
    problems = Problems()
    found = parse((folder / "recipe.yaml").read_text("utf-8"), "recipe.yaml", problems)
    problems.raise_if_any()
    assert found is not None
    assert plain(found) == resolved


# ---- a store that others use, too


def test_entries_of_another_user_are_used_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    first = run_toys()

    def not_ours(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "utime", not_ours)
    second = run_toys()
    assert (second.ran, second.reused) == (0, first.ran)


def test_what_is_used_is_noted_before_it_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    run_toys()
    store = Store()
    for entry in store.entries():
        os.utime(store.path(entry.key) / MANIFEST, (0, 0))
    looks: list[float] = []
    state = Store.state

    def watched(self: Store, key: str) -> str:
        looks.append((self.path(key) / MANIFEST).stat().st_mtime)
        return state(self, key)

    planned = planning.plan(recipe(), planning.Roots(), store)
    monkeypatch.setattr(Store, "state", watched)
    from zoo.engine.execute import execute

    execute(planned, store, planning.Roots())
    assert looks
    assert min(looks) > 0
