"""The answers of a run: asked of the store's scores, and no bug in one costs the figures."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from engine_toys import CELL, add_parts, recipe, with_

from registry import BadParameters, component
from zoo.engine import plan as planning
from zoo.engine.run import RunResult, run
from zoo.grid_scores import AnalysisResult, GridScores, NotAnswered
from zoo.listing import results_text
from zoo.recipe.cells import Block
from zoo.registries import ANALYSES


@pytest.fixture(autouse=True)
def _toys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    add_parts(monkeypatch)
    monkeypatch.setattr(planning, "STAGES", "toy_stages")
    report = SimpleNamespace(write_report=lambda folder: folder)
    monkeypatch.setitem(sys.modules, "zoo.report", report)
    monkeypatch.setitem(ANALYSES._added, "counts", Counts)
    monkeypatch.chdir(tmp_path)


@component("analysis", license="x")
class Counts:
    """What it saw."""

    def __init__(self, *, do: str = "answer", ask: str = ""):
        if do == "refuse":
            raise BadParameters("analysis 'counts': no")
        self.do = do

    def answer(self, scores: GridScores) -> AnalysisResult:
        if self.do == "fail":
            raise RuntimeError("a bug")
        if self.do == "lack":
            raise NotAnswered("a figure is lacking")
        value = float("nan") if self.do == "nan" else float(len(scores.scores))
        real = scores.of(scores.cells[0], "accuracy")
        rows = ({"row": "real", "value": real.value, "trials": real.trials() is not None},)
        spoken = scores.spoken_of(scores.cells)
        return AnalysisResult(sentence=f"It speaks of {spoken}.", value=value, definition="d",
                              ci95=(1.0, 2.0), rows=rows)  # fmt: skip


CELLS = (CELL, with_(replace(CELL, id="other"), "pipeline", sample={"steps": 3}))


def asked(*blocks: Block) -> RunResult:
    return run(replace(recipe(*CELLS), analyses=blocks), threads=1)


def answers(result: RunResult) -> list[dict]:
    return json.loads((result.folder / "results.json").read_text())["answers"]


def test_a_run_without_questions_has_no_answers() -> None:
    assert answers(asked()) == []


def test_an_answer_stands_in_the_results(capsys: pytest.CaptureFixture[str]) -> None:
    result = asked(Block("counts", {}, label="how many"))
    (found,) = answers(result)
    assert (found["analysis"], found["label"], found["value"]) == ("counts", "how many", 8.0)
    assert found["ci95"] == [1.0, 2.0]
    assert found["rows"] == [{"row": "real", "value": 1.0, "trials": True}]
    assert found["sentence"].endswith("and of simulated EEG.")
    told = results_text(json.loads((result.folder / "results.json").read_text()))
    assert told.count(found["sentence"]) == 1
    assert found["sentence"] not in capsys.readouterr().err  # it stands once, where the figures end


@pytest.mark.parametrize(("do", "noted"), [("fail", 1), ("nan", 1), ("lack", 0)])
def test_what_is_not_answered_says_so_and_costs_nothing_else(do: str, noted: int) -> None:
    result = asked(
        Block("counts", {"do": do, "ask": "How many?"}, label="first"),
        Block("counts", {}, label="second"),
    )
    first, second = answers(result)
    assert first["value"] is None
    assert first["reason"].startswith("not answered: ")
    assert first["sentence"].startswith("How many? Not answered: ")
    assert second["value"] == 8.0
    assert len(result.failures) == noted
    assert (result.folder / "results.csv").is_file()


def test_a_value_that_an_analysis_refuses_stops_the_run_before_it_starts() -> None:
    with pytest.raises(BadParameters, match="counts"):
        asked(Block("counts", {"do": "refuse"}, label="first"))
    assert not Path("runs/toys").exists()
