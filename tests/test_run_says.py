"""What a run says before anything runs: its cells, and what --set took from them."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from engine_toys import CELL, add_parts, recipe

from zoo.engine import plan as planning
from zoo.engine import run as running
from zoo.engine.plan import plan
from zoo.engine.roots import Roots
from zoo.engine.run import run
from zoo.engine.store import Store
from zoo.plan_text import cells_briefly, plan_text
from zoo.recipe.cells import Replaced

GRID = tuple(replace(CELL, id=f"seed={n}", seed=n, coords={"seed": n}) for n in range(2))


@pytest.fixture(autouse=True)
def _toys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    add_parts(monkeypatch)
    monkeypatch.setattr(planning, "STAGES", "toy_stages")
    monkeypatch.setitem(sys.modules, "zoo.report", SimpleNamespace(write_report=lambda _: None))
    monkeypatch.chdir(tmp_path)


def test_cells_are_named_before_anything_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said: list[str] = []

    def nothing(*_: Any, **__: Any) -> None:
        said.append(capsys.readouterr().err)
        raise KeyboardInterrupt

    monkeypatch.setattr(running, "execute", nothing)
    with pytest.raises(KeyboardInterrupt):
        run(recipe(*GRID))
    assert "  2 cells, 30 stage runs, 0 cached, 30 to run (store: " in said[0]
    assert ")\n  seed=0  seed=0\n  seed=1  seed=1\n" in said[0]
    with pytest.raises(KeyboardInterrupt):
        run(recipe())
    assert said[1].count("\n") == said[0].count("\n") - 2, "one cell has nothing to name"
    assert capsys.readouterr().out == "", "--json prints there"


def test_of_many_cells_the_first_and_the_last_are_named() -> None:
    def lines(count: int) -> list[str]:
        grid = [{"id": f"seed={n}", "coords": {"seed": n}} for n in range(count)]
        return cells_briefly(grid).splitlines()

    assert len(lines(24)) == 24
    assert lines(40) == [
        "  seed=0   seed=0",
        "  seed=1   seed=1",
        "  seed=2   seed=2",
        "  and 34 more between; zoo plan --json names all",
        "  seed=37  seed=37",
        "  seed=38  seed=38",
        "  seed=39  seed=39",
    ]
    assert not cells_briefly([{"id": "cell", "coords": {}}])
    assert lines(1) == ["  seed=0  seed=0"]


def test_what_the_command_line_takes_from_cells_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    taken = replace(GRID[1], replaced=(Replaced("conditioner.train.steps", 0, 6),))
    said = "conditioner.train.steps=6 (--set) replaces 0 in 1 cell"
    made = plan(recipe(GRID[0], taken), Roots(), Store(tmp_path / "store"))
    assert made.to_json()["replaced"] == [said]
    assert f"seed=1  seed=1\n\n{said}\n\n" in plan_text(made.to_json())
    run(recipe(GRID[0], taken), store=tmp_path / "store")
    told = capsys.readouterr().err
    assert f"\n  {said}\n" in told[: told.index("[1/")]
    made = plan(recipe(*GRID), Roots(), Store(tmp_path / "store"))
    assert "--set" not in plan_text(made.to_json())
