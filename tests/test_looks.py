"""How often a test was looked at: the same settings are the same look, and none is lost."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from engine_toys import CELL, add_parts, recipe, with_

from zoo.engine import looks
from zoo.engine import plan as planning
from zoo.engine.execute import execute
from zoo.engine.looks import Row, ordinal, record_looks, settings
from zoo.engine.roots import Roots
from zoo.engine.store import Store
from zoo.recipe.cells import Cell


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch) -> None:
    add_parts(monkeypatch)
    monkeypatch.setattr(planning, "STAGES", "toy_stages")


def looked(kept: Store, *cells: Cell, name: str = "toys") -> dict[Row, dict[str, Any]]:
    """Run toy cells and record the looks."""
    chosen = recipe(*cells, name=name)
    plan = planning.plan(chosen, Roots.resolve(None, None, None), kept)
    execute(plan, kept, Roots.resolve(None, None, None), say=lambda _text: None)
    return record_looks(chosen, plan, kept)


def files(kept: Store) -> list[Path]:
    return sorted((kept.root / "looks").iterdir())


CELL_ROW = Row("cell", None)


@pytest.mark.usefixtures("toys")
def test_the_same_settings_are_the_same_look(tmp_path: Path) -> None:
    kept = Store(tmp_path)
    first = looked(kept)[CELL_ROW]
    assert (first["number"], first["total"], first["ordinal"]) == (1, 1, "1st")
    assert first["sentence"] == "1st look at this test: settings 1 of 1 seen so far."
    text = files(kept)[0].read_text()
    again = looked(kept, name="renamed")[CELL_ROW]
    assert again == first, "neither name nor time count"
    other_seed = looked(kept, replace(CELL, seed=7))[CELL_ROW]
    assert other_seed["number"] == 1
    fewer = replace(CELL, metrics=CELL.metrics[:1], controls=())
    assert looked(kept, fewer)[CELL_ROW]["total"] == 1
    assert files(kept)[0].read_text() == text


@pytest.mark.usefixtures("toys")
def test_other_settings_are_another_look(tmp_path: Path) -> None:
    kept = Store(tmp_path)
    looked(kept)
    cells = [
        with_(CELL, "encoder", params={"rate": 0.25}),
        with_(CELL, "dataset", params={"band": [5, 95]}),
        with_(CELL, "dataset", params={"band": [5, 70]}),
        with_(CELL, "conditioner", train={"steps": 9, "lr": {"all": 0.002}}),
    ]
    cells = [replace(cell, id=f"c{i}") for i, cell in enumerate(cells)]
    found = looked(kept, *cells)
    assert [(look["number"], look["total"]) for look in found.values()] == [
        (2, 5), (3, 5), (4, 5), (5, 5),
    ]  # fmt: skip
    fourth = found[Row("c2", None)]
    assert fourth["sentence"] == (
        "4th look at this test: settings 4 of 5 seen so far; as the 3rd, but "
        "dataset.params.band: [5.0, 95.0] → [5.0, 70.0]."
    )
    assert found[Row("c3", None)]["differs"] == [
        "conditioner.train.steps: 6 → 9", "conditioner.train.lr.all: 0.001 → 0.002",
    ]  # fmt: skip
    assert len(files(kept)) == 1, "band and window leave the test what it is"
    assert looked(kept)[CELL_ROW]["sentence"] == (
        "1st look at this test: settings 1 of 5 seen so far."
    )


@pytest.mark.usefixtures("toys")
def test_other_trials_are_another_test(tmp_path: Path) -> None:
    kept = Store(tmp_path)
    looked(kept)
    assert looked(kept, with_(CELL, "dataset", params={"n": 8}))[CELL_ROW]["total"] == 1
    assert len(files(kept)) == 2


@pytest.mark.usefixtures("toys")
def test_only_cells_with_figures_count(tmp_path: Path) -> None:
    kept = Store(tmp_path)
    unlucky = replace(with_(CELL, "encoder", params={"power": 13}), id="unlucky")
    found = looked(kept, unlucky, CELL)
    assert found[CELL_ROW]["total"] == 1
    assert list(found) == [CELL_ROW]


@pytest.mark.usefixtures("toys")
def test_a_snapshot_that_is_scored_is_a_look(tmp_path: Path) -> None:
    kept = Store(tmp_path)
    looked(kept)
    found = looked(kept, with_(CELL, "conditioner", train={"snapshots": [3]}))
    assert found[CELL_ROW]["number"] == 1, "its end is no other than without"
    assert found[Row("cell", 3)]["sentence"] == (
        "2nd look at this test: settings 2 of 2 seen so far; as the 1st, but step: none → 3."
    )


@pytest.mark.usefixtures("toys")
def test_a_snapshot_at_the_end_is_no_look_of_its_own(tmp_path: Path) -> None:
    found = looked(Store(tmp_path), with_(CELL, "conditioner", train={"snapshots": [3, 6]}))
    assert {row.step: look["number"] for row, look in found.items()} == {None: 1, 3: 2, 6: 1}
    assert {look["total"] for look in found.values()} == {2}


@pytest.mark.usefixtures("toys")
def test_looks_survive_pruning(tmp_path: Path) -> None:
    kept = Store(tmp_path)
    looked(kept)
    looked(kept, with_(CELL, "encoder", params={"rate": 0.25}))
    removed, _ = kept.prune(unused_days=-1)
    assert removed > 5
    assert not kept.entries()
    assert looked(kept)[CELL_ROW]["total"] == 2


@pytest.mark.usefixtures("toys")
def test_a_line_cut_off_is_no_look(tmp_path: Path) -> None:
    kept = Store(tmp_path)
    looked(kept)
    with files(kept)[0].open("a") as file:
        file.write('{"settings": "12')
    assert looked(kept)[CELL_ROW]["total"] == 1
    second = looked(kept, with_(CELL, "encoder", params={"rate": 0.25}))[CELL_ROW]
    assert (second["number"], second["total"]) == (2, 2)
    lines = [json.loads(line) for line in files(kept)[0].read_text().splitlines()]
    assert [line["look"] for line in lines] == [1, 2]


@pytest.mark.usefixtures("toys")
@pytest.mark.parametrize("damage", ['{"settings": "12', "[]", "\x00\x00", "{}"])
def test_a_damaged_line_is_a_look_of_unknown_settings(tmp_path: Path, damage: str) -> None:
    kept = Store(tmp_path)
    looked(kept)
    (file,) = files(kept)
    whole = file.read_text()
    file.write_text(f"{damage}\n")
    look = looked(kept)[CELL_ROW]
    assert (look["number"], look["total"], look["differs_from"]) == (2, 2, None)
    file.write_text(f"{whole}{damage}\n")
    third = looked(kept, with_(CELL, "encoder", params={"rate": 0.25}))[CELL_ROW]
    assert (third["number"], third["total"], third["differs_from"]) == (3, 3, 1)


@pytest.mark.usefixtures("toys")
def test_looks_that_cannot_be_read_cost_no_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Store(tmp_path)
    looked(kept)

    def refuse(_file: Path) -> None:
        raise PermissionError(13, "another user's")

    monkeypatch.setattr(looks, "_read", refuse)
    assert not looked(kept)[CELL_ROW]["recorded"]


@pytest.mark.usefixtures("toys")
def test_a_store_that_cannot_be_written_costs_no_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Store(tmp_path)
    looked(kept)
    monkeypatch.setattr("os.fsync", _refuse)
    monkeypatch.setattr(Store, "publish", lambda *_given: pytest.fail("all is in the store"))
    plan = planning.plan(recipe(), Roots.resolve(None, None, None), kept)
    assert record_looks(recipe(), plan, kept)[CELL_ROW]["recorded"], "nothing is new"
    files(kept)[0].unlink()
    look = record_looks(recipe(), plan, kept)[CELL_ROW]
    assert not look["recorded"]
    assert look["sentence"].endswith("; the store cannot be written, so it is not recorded.")


def _refuse(_handle: int) -> None:
    raise PermissionError(13, "read-only")


def test_two_runs_at_once_lose_no_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = looks._read

    def slowly(file: Path) -> list[dict[str, Any]]:
        found = real(file)
        time.sleep(0.02)
        return found

    monkeypatch.setattr(looks, "_read", slowly)

    def record(names: str) -> None:
        for name in names:
            line = {"settings": name, "blocks": {kind: {"name": name} for kind in looks._KINDS}}
            looks._recorded(Store(tmp_path), "test", [line])

    with ThreadPoolExecutor() as pool:
        list(pool.map(record, ["abcd", "defg"]))
    lines = real(tmp_path / "looks" / "test.jsonl")
    assert sorted(line["settings"] for line in lines) == list("abcdefg")
    assert [line["look"] for line in lines] == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.usefixtures("toys")
def test_settings_leave_out_seeds_alone() -> None:
    start = {"seed": 1, "dataset.params.subjects": [2]}
    cell = with_(CELL, "encoder", train={"init_from": start})
    assert settings(cell)["encoder"]["train"]["init_from"] == {"dataset.params.subjects": [2]}
    assert settings(cell) != settings(CELL)
    as_float = with_(CELL, "encoder", params={"rate": 1})
    assert settings(as_float) == settings(with_(CELL, "encoder", params={"rate": 1.0}))
    assert settings(CELL)["encoder"]["objective"]["name"] == "toy_objective"
    frugal = with_(CELL, "conditioner", train={"checkpointing": True})
    frugal = with_(frugal, "pipeline", sample={"batch_size": 1})
    assert settings(frugal) == settings(CELL)


@pytest.mark.parametrize(
    ("number", "text"),
    [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (12, "12th"), (13, "13th"),
     (21, "21st"), (22, "22nd"), (23, "23rd"), (101, "101st"), (111, "111th"), (112, "112th")],
)  # fmt: skip
def test_ordinals(number: int, text: str) -> None:
    assert ordinal(number) == text
