"""The selection ledger: what chose weights and settings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from engine_toys import recipe
from leak_toys import ran, started_from, store
from recipe_toys import SMALL, Desk, changed, desk_in

from zoo.engine import plan as planning
from zoo.engine.graph import Plan
from zoo.engine.leakage import leakage
from zoo.engine.ledger import ledger_entry
from zoo.engine.roots import Roots
from zoo.engine.store import Store
from zoo.recipe import Recipe, dump, load_recipe

__all__ = ["ran", "store"]  # fixtures


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return desk_in(tmp_path, monkeypatch)


# ---- notes that say what a value was chosen on

NOTED = SMALL + (
    "sources:\n"
    "  encoder.train: {from: ours, chosen_on: val}\n"
    "  encoder.train.lr: {from: ours, chosen_on: test}\n"
    "  encoder.params: paper\n"
    "  dataset: {from: ours}\n"
    "pocket:\n"
    "  data: {encoder.train.batch_size: 16}\n"
    "  weights: {conditioner.train.steps: 5}\n"
)


def entry(chosen: Recipe, tmp_path: Path, plan: Plan | None = None) -> dict[str, Any]:
    kept = Store(tmp_path / "empty")
    plan = plan or planning.plan(chosen, Roots.resolve(None, None, None), kept)
    return ledger_entry(chosen, plan.cells[0], plan, kept)


def said(found: dict[str, Any]) -> dict[str, tuple[str | None, str]]:
    return {
        path: (group["from"], group["chosen_on"])
        for group in found["settings"]
        for path in group["paths"]
    }


def test_every_setting_says_what_it_was_chosen_on(desk: Desk, tmp_path: Path) -> None:
    found = entry(desk.load(NOTED), tmp_path)
    told = said(found)
    assert told["encoder.train.epochs"] == ("ours", "val")
    assert told["encoder.train.lr"] == ("ours", "test")
    assert told["encoder.params.drop_prob"] == ("paper", "not said")
    assert told["dataset.params.drift"] == ("ours", "not said")
    assert told["pipeline.sample.steps"] == (None, "not said")
    assert found["settings"][-1]["from"] is None
    assert told["encoder.train.batch_size"] == ("stand-in for data", "not said")
    assert found["chosen_on_test"] == ["encoder.train.lr"]
    assert found["stamp"].startswith("CHOSEN ON TEST: encoder.train.lr. Figures on this test")
    assert entry(desk.load(SMALL), tmp_path)["stamp"] is None


def test_rates_by_group_are_settings_of_their_own(desk: Desk, tmp_path: Path) -> None:
    text = changed(
        ("train: {steps: 20, batch_size: 8, lr: 1e-3}",
         "train: {steps: 20, batch_size: 8, lr: {projection: 1e-3, attn2: 1e-4}}"),
        ("  encoder.params: paper\n", "  conditioner.train.lr.attn2: paper\n"), text=NOTED,
    )  # fmt: skip
    told = said(entry(desk.load(text), tmp_path))
    assert told["conditioner.train.lr.attn2"] == ("paper", "not said")
    assert told["conditioner.train.lr.projection"] == (None, "not said")


def test_a_value_of_the_command_line_has_no_note(desk: Desk, tmp_path: Path) -> None:
    chosen = desk.load(NOTED, "encoder.train.lr=1e-2", "conditioner.train.lr=1e-4")
    told = said(entry(chosen, tmp_path))
    assert told["encoder.train.lr"] == ("command line", "not said")
    assert told["encoder.train.epochs"] == ("ours", "val")
    assert told["conditioner.train.lr"] == (None, "not said"), "nobody had said anything of it"
    (desk.folder / "recipe.yaml").write_text(dump(chosen.resolved))
    assert load_recipe("recipe.yaml").sources == chosen.sources
    renamed = said(entry(desk.load(NOTED, "encoder=shallow_conv_net"), tmp_path))
    assert renamed["encoder.train.lr"] == ("command line", "not said")


def test_a_note_may_be_about_a_stand_in(desk: Desk, tmp_path: Path) -> None:
    text = changed(
        ("  dataset: {from: ours}\n",
         "  pocket.data.encoder.train: {from: ours, chosen_on: other data}\n"), text=NOTED,
    )  # fmt: skip
    told = said(entry(desk.load(text), tmp_path))
    assert told["encoder.train.batch_size"] == ("ours", "other data")
    assert told["encoder.train.epochs"] == ("ours", "val"), "the stand-in leaves it as it is"
    without = load_recipe("r.yaml", data_root=tmp_path)
    assert without.sources["encoder.train"] == {"from": "ours", "chosen_on": "val"}
    assert "encoder.train.batch_size" not in without.sources


def test_what_the_grid_varies_is_not_chosen(desk: Desk, tmp_path: Path) -> None:
    chosen = desk.load(NOTED + "grid: {encoder.train.epochs: [1, 2]}\n")
    told = said(entry(chosen, tmp_path))
    assert told["encoder.train.epochs"] == ("varied by the grid", "none")
    assert told["encoder.train.lr"] == ("ours", "test")
    every_rate = desk.load(NOTED + "grid: {encoder.train.lr: [1e-3, 1e-2]}\n")
    assert entry(every_rate, tmp_path)["stamp"] is None, "both are shown, none is chosen"
    swept = entry(desk.load(NOTED + "grid: {encoder.train.lr: [1e-2, 1e-3]}\n"), tmp_path)
    assert said(swept)["encoder.train.lr"] == ("varied by the grid", "none")
    assert swept["stamp"] is None, "all of its values are shown"


def test_an_axis_of_components_varies_what_they_do_not_share(desk: Desk, tmp_path: Path) -> None:
    found = entry(desk.load(NOTED + "grid: {encoder: [eegnet, nice]}\n"), tmp_path)
    assert said(found)["encoder.name"] == ("varied by the grid", "none")
    assert said(found)["encoder.train.lr"] == ("ours", "test"), "the same for both"
    assert found["chosen_on_test"] == ["encoder.train.lr"]


@pytest.mark.parametrize(
    ("note", "problem"),
    [
        ("3", "must say in words where the choice comes from, or {from: WORDS, chosen_on: SPLIT}"),
        ("{chosen_on: val}", "must say in words where the choice comes from, or"),
        ("{from: ours, chosenon: val}", "has no key 'chosenon'. Did you mean 'chosen_on'?"),
        ("{from: ours, chosen_on: vall}", "chosen_on is 'vall'. Did you mean 'val'?"),
        (
            "{from: ours, chosen_on: null}",
            "chosen_on is null. Did you mean 'none'?",
        ),
    ],
)
def test_wrong_notes(desk: Desk, note: str, problem: str) -> None:
    (line,) = desk.errors(SMALL + f"sources: {{encoder.train.lr: {note}}}\n")
    assert line.startswith(f"r.yaml:11 sources.encoder.train.lr: {problem}")


# ---- checkpoints


def test_checkpoints_say_what_chose_them(
    ran: Callable[..., Any],
    store: Store,
) -> None:
    plan, cell = ran()
    found = ledger_entry(recipe(), cell, plan, store, look={"number": 3})
    encoder, conditioner = found["checkpoints"]
    assert (encoder["stage"], encoder["split"], encoder["unit"]) == ("encoder", "val", "epoch")
    assert encoder["score"] == "val_accuracy"
    assert 0 <= encoder["value"] <= 1
    assert encoder["at"] <= encoder["of"] == 2
    assert encoder["sentence"] == (
        f"Of the encoder, epoch {encoder['at']} of 2 was chosen on val, by the highest "
        "val_accuracy."
    )
    assert conditioner["sentence"] == (
        "Of the conditioner, the last step (1) was taken, nothing was chosen."
    )
    assert found["look"] == {"number": 3}
    assert found["stamp"] is None


def test_a_checkpoint_chosen_on_test_is_stamped(
    ran: Callable[..., Any],
    store: Store,
) -> None:
    plan, cell = ran(started_from('["2"]', '["3"]'), "encoder.train.steps=0")
    found = ledger_entry(recipe(), cell, plan, store)
    assert [one["stage"] for one in found["checkpoints"]] == [
        "encoder", "encoder that it started from", "conditioner",
    ]  # fmt: skip
    assert found["checkpoints"][0]["sentence"] == (
        "The encoder was taken as it was, no step was trained."
    )
    assert found["checkpoints"][1]["on_test"] == 1
    assert found["stamp"].startswith(
        "CHOSEN ON TEST: checkpoint of the encoder that it started from (100 % of these test "
        "trials). Figures on this test"
    )


def test_an_encoder_behind_the_conditioner_it_started_from_is_stamped(
    ran: Callable[..., Any],
    store: Store,
) -> None:
    split = "dataset.params.split: {by: run, test: ['2'], val: ['3']}"
    plan, cell = ran(f"conditioner.train.init_from={{{split}}}")
    found = ledger_entry(recipe(), cell, plan, store)
    who = "encoder behind the conditioner that it started from"
    assert [one["stage"] for one in found["checkpoints"]] == [
        "encoder", "conditioner", "conditioner that it started from", who,
    ]  # fmt: skip
    assert found["checkpoints"][-1]["sentence"].endswith("; val held 100 % of these test trials.")
    assert found["chosen_on_test"] == [f"checkpoint of the {who} (100 % of these test trials)"]
    assert leakage(cell, store)["sentence"] == (
        "Leaking: a checkpoint behind the conditioner was chosen on 100 % of these test trials."
    )
