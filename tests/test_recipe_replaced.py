"""What ``--set`` takes from cells whose own axes or arms gave them a value: found, and said."""

from __future__ import annotations

from pathlib import Path

import pytest
from recipe_toys import SMALL, Desk, desk_in

from zoo.recipe import dump
from zoo.recipe.replaced import replaced_text

GRID = """\
grid:
  conditioner: [linear, {name: clip_text, params: {text_encoder: frozen}}]
  seed: [0, 1]
"""
ARMS = """\
arms:
  - where: {conditioner: linear}
    set: {conditioner.train.lr: 1e-2}
  - where: {conditioner.params.text_encoder: frozen, seed: 1}
    set: {conditioner.train.lr: 3e-3}
"""


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return desk_in(tmp_path, monkeypatch)


def test_what_the_command_line_takes_from_an_arm_is_said(desk: Desk) -> None:
    def said(*overrides: str, text: str = SMALL + GRID + ARMS) -> list[str]:
        return replaced_text(desk.load(text, *overrides).cells)

    assert said() == []
    assert said("conditioner.train.lr=5e-3") == [
        "conditioner.train.lr=0.005 (--set) replaces 0.01, 0.003 in 3 cells"
    ]
    assert said("conditioner.train.lr=1e-2") == [
        "conditioner.train.lr=0.01 (--set) replaces 0.003 in 1 cell"
    ]
    assert said("conditioner.train.lr.projection=1e-2") == [
        "conditioner.train.lr={'projection': 0.01} (--set) replaces 0.01, 0.003 in 3 cells"
    ]
    assert said("encoder.train.lr=5e-3", "conditioner=linear", "seed=1") == [], "axes it names"
    written_out = dump(desk.load(SMALL + GRID + ARMS).resolved)
    assert said("conditioner.train.lr=5e-3", text=written_out)[0].endswith("in 3 cells")


def test_what_the_command_line_takes_from_a_value_of_an_axis_is_said(desk: Desk) -> None:
    def said(grid: str, *overrides: str) -> tuple[int, list[str]]:
        cells = desk.load(SMALL + f"grid: {{encoder.train: {grid}}}\n", *overrides).cells
        return len(cells), replaced_text(cells)

    grid = "[{select: best}, {steps: 1, select: last}, {steps: 9, select: last}]"
    assert said(grid, "encoder.train.batch_size=8") == (3, [])
    assert said("[{select: best}, {steps: 1, select: last}]", "encoder.train.steps=9") == (
        2, ["encoder.train.steps=9 (--set) replaces 1 in 1 cell"]
    )  # fmt: skip
    assert said(grid, "encoder.train.steps=7") == (
        2,
        ["encoder.train.steps=7 (--set) replaces 1, 9 in 2 cells; 1 is left out, as equal to "
         "another"],
    )  # fmt: skip
    assert said(grid, "encoder.train.epochs=3") == (
        2,
        ["--set removes encoder.train.steps, which was 1, 9 in 2 cells; 1 is left out, as equal "
         "to another"],
    )  # fmt: skip
