"""docs/recipes.md tells the truth: recipes, commands, the printed error, the tables of keys."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
import yaml
from recipe_toys import Desk, desk_in

from zoo.controls import CONTROLS
from zoo.recipe import load_recipe
from zoo.recipe.schema import CELL_KEYS, FILE_KEYS, EncoderTrain, Sample, keys_of

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "recipes.md").read_text("utf-8")
desk = pytest.fixture(desk_in)


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


RECIPE, *FRAGMENTS = blocks("yaml")
COMMANDS = [line[2:] for block in blocks("console") for line in block.splitlines()]


def keys_in_table(heading: str) -> set[str]:
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`[^|]*) \|", section, re.MULTILINE)
    return {key for row in rows for key in re.findall(r"`(\w+)`", row)}


def test_the_complete_recipe_is_valid(desk: Desk) -> None:
    (cell,) = desk.load(RECIPE).cells
    assert cell.encoder.name == "eegnet"
    assert cell.controls and set(cell.controls) <= set(CONTROLS)


def test_there_are_fragments() -> None:
    assert len(FRAGMENTS) == 6


@pytest.mark.parametrize("fragment", FRAGMENTS, ids=lambda text: text.partition(":")[0])
def test_a_fragment_is_valid_in_the_recipe(desk: Desk, fragment: str) -> None:
    key = fragment.partition(":")[0]
    if key == "encoder":  # replaces settings that the recipe has: two --set
        written = yaml.safe_load(fragment)
        given = [f"{kind}.train={json.dumps(block['train'])}" for kind, block in written.items()]
        (cell,) = desk.load(RECIPE, *given).cells
        assert (cell.encoder.train["steps"], cell.conditioner.train["steps"]) == (0, 0)
        return
    recipe = desk.load(RECIPE + fragment)
    if key == "grid":
        assert len(recipe.cells) == 8
        assert recipe.cells[0].id == "encoder=eegnet,subjects=1,seed=0"
        assert len(desk.load(RECIPE + fragment, "encoder=eegnet").cells) == 4


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_s_overrides_are_valid(desk: Desk, command: str) -> None:
    zoo, _, recipe, *options = shlex.split(command)
    assert (zoo, recipe) == ("zoo", "my.yaml")
    given = [options[i + 1] for i, option in enumerate(options) if option == "--set"]
    assert set(options) - set(given) <= {"--set", "--deep"}
    assert desk.load(RECIPE, *given).cells


def test_the_printed_error_is_the_real_one(desk: Desk) -> None:
    wrong = (
        RECIPE.replace("train: {epochs: 40", "train: {objectve: classify, epochs: 40")
        .replace("attn2: 3e-4", "attn2: 3e-4, atn2: 3e-4")
        .replace("image_size: 64", "image_size: 60")
    )
    (printed,) = [block for block in blocks("text") if "objectve" in block]
    assert desk.errors(wrong) == printed.replace("my.yaml", "r.yaml").splitlines()


def test_every_key_is_described_and_no_other() -> None:
    assert keys_in_table("Top-level keys") == {*CELL_KEYS, *FILE_KEYS}
    assert keys_in_table("`train`") == set(keys_of(EncoderTrain))
    assert keys_in_table("`sample`") == set(keys_of(Sample))


def test_the_python_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = blocks("python")
    exec(compile(code, "docs/recipes.md", "exec", dont_inherit=True), {})
    lr = load_recipe("paper", overrides=["encoder=eegnet"]).cells[0].encoder.train["lr"]
    assert capsys.readouterr().out.splitlines() == [
        f"pocket {lr}",
        "--set encoder.trian.lr=1e-3: unknown path 'encoder.trian.lr': 'encoder' has no 'trian'. "
        "Did you mean 'train'?",
    ]
