"""`zoo generate` on a run that has nothing to draw with: what is missing, and what to do."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from engine_toys import CELL, add_parts, recipe, with_

from registry import UserError
from zoo.engine import plan as planning
from zoo.engine.run import run
from zoo.export.generate import find_pipeline

UNDRAWN = replace(
    with_(CELL, "pipeline", sample={"images_per_trial": 0}),
    id="undrawn", metrics=CELL.metrics[:1], controls=(),
)  # fmt: skip
BAD = replace(with_(CELL, "encoder", params={"power": 13}), id="bad")


@pytest.fixture(autouse=True)
def _toys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    add_parts(monkeypatch)
    monkeypatch.setattr(planning, "STAGES", "toy_stages")
    monkeypatch.setitem(sys.modules, "zoo.report", SimpleNamespace(write_report=lambda _: None))
    monkeypatch.chdir(tmp_path)


def said(run_folder: Path, cell: str | None = None) -> str:
    with pytest.raises(UserError) as caught:
        find_pipeline(run_folder, cell)
    return str(caught.value)


def test_a_run_without_pictures_says_so(tmp_path: Path) -> None:
    folder = run(recipe(UNDRAWN), store=tmp_path / "store").folder
    assert said(folder) == (
        f"{folder} was run without pictures (images_per_trial: 0), and no conditioner is trained "
        "then; train one with zoo run toys --set pipeline.sample.images_per_trial=1 (stages that "
        "are in the store do not run again) and name the new run folder"
    )


def test_a_run_whose_training_failed_says_so(tmp_path: Path) -> None:
    folder = run(recipe(BAD, UNDRAWN), store=tmp_path / "store").folder
    why = "its training failed (encode toy_encoder · seed 0 [bad]: RuntimeError: "
    assert why in said(folder)
    assert said(folder).endswith("; mend that and run zoo run toys again")
    # A cell among others that have a pipeline.
    (folder / "pipeline" / "other").mkdir(parents=True)
    (folder / "pipeline" / "other" / "model_index.json").write_text("{}")
    assert why in said(folder, "bad")
    assert said(folder, "undrawn").startswith(f"cell 'undrawn' of {folder} was run without pict")
    assert said(folder, "x") == f"{folder} holds no pipeline of cell 'x'; it has: other"
    assert find_pipeline(folder, "other") == folder / "pipeline" / "other"


def test_a_pipeline_that_was_not_written_or_no_run_at_all(tmp_path: Path) -> None:
    folder = run(recipe(), store=tmp_path / "store").folder
    assert not (folder / "pipeline").exists()
    assert "it draws with another pipeline than stable_diffusion, or" in said(folder)
    (folder / "results.json").write_text("{")
    assert said(folder).endswith("; name the folder of a run (runs/latest)")
    shutil.rmtree(folder)
    assert said(folder).startswith(f"{folder} holds no pipeline/<cell>/model_index.json; ")
