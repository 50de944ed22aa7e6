"""Plans of grids: every shared stage once, depth first, in a time that grows with the cells."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections import Counter
from dataclasses import replace

import pytest
from click.testing import CliRunner
from engine_toys import CELL, add_parts, recipe, with_
from plan_grids import SMALL, planned

from cli import main
from zoo.engine import plan as planning
from zoo.engine.execute import execute
from zoo.engine.forecast.plan import forecast_plan
from zoo.engine.graph import Plan
from zoo.engine.keys import SCHEMA, canonical
from zoo.engine.roots import Roots
from zoo.engine.store import Store
from zoo.plan_text import plan_json, plan_text
from zoo.recipe.cells import Cell
from zoo.recipe.grid import cell_ids

ENCODERS = "grid.encoder=[eegnet, shallow_conv_net, nice]"
CONDITIONERS = "grid.conditioner=[clip_text, linear, lora]"
SEEDS = "grid.seed=[0, 1, 2]"


def counted(trained: int, taken_over: int = 0) -> dict[str, int]:
    """Return what a plan counts of a stage that trains, on a fresh store."""
    return {"distinct": trained, "cached": 0, "to_run": trained, "taken_over": taken_over}


def test_encoders_conditioners_and_seeds_train_what_they_share_once(tmp_path) -> None:
    command = ["plan", "paper", "--store", str(tmp_path), "--threads", "1", "--json"]
    sets = [("--set", value) for value in (*SMALL, ENCODERS, CONDITIONERS, SEEDS)]
    done = CliRunner().invoke(main, [*command, *(word for pair in sets for word in pair)])
    assert done.exit_code == 0, done.output
    facts = json.loads(done.stdout)
    assert facts["cells"] == len(facts["grid"]) == 27
    assert facts["towers"]["vae"] == 1
    assert facts["trainings"]["encode"] == counted(9)
    assert facts["trainings"]["condition"] == counted(27)
    assert (facts["stages"]["encode"], facts["stages"]["condition"]) == (9, 27)
    first = facts["grid"][0]
    assert first["coords"] == {"encoder": "eegnet", "conditioner": "clip_text", "seed": 0}
    assert first["id"] == "encoder=eegnet,conditioner=clip_text,seed=0"


def test_what_takes_no_step_is_no_training(tmp_path) -> None:
    """Of six subjects one training each, one without each, one of all; twelve use the latter."""
    command = ["plan", "subjects", "--store", str(tmp_path), "--threads", "1"]
    facts = json.loads(CliRunner().invoke(main, [*command, "--json"]).stdout)
    assert facts["trainings"] == {"encode": counted(13, 12), "condition": counted(13, 12)}
    assert facts["stages"]["encode"] == 25
    assert len(facts["training"]) == 13
    text = plan_text(facts)
    assert (
        "Trainings: 13 of encoders (13 to run) and 12 taken over, "
        "13 of conditioners (13 to run) and 12 taken over." in text
    )


def test_a_key_is_the_hash_of_all_that_its_node_is_made_of() -> None:
    for key, node in planned(*SMALL[1:], "controls=[class_label]").nodes.items():
        content = {
            "schema": SCHEMA,
            "stage": node.stage,
            "params": node.params,
            "inputs": node.inputs,
            "code": node.code.digest,
            "libraries": node.code.libraries,
        }
        digest = hashlib.sha256(canonical(content).encode()).hexdigest()
        assert key == f"{node.stage}-{digest[:32]}"


def test_sampling_alone_trains_once() -> None:
    sample = "grid.pipeline.sample"
    plan = planned(*SMALL, f"{sample}.guidance_scale=[1, 3, 5]", f"{sample}.steps=[2, 5, 9]")
    stages = plan.to_json()["stages"]
    assert len(plan.cells) == stages["generate"] == 9
    assert (stages["encode"], stages["condition"]) == (1, 1)


def assert_depth_first(plan: Plan) -> None:
    """Before a training that only later cells need, all of every earlier cell is done."""
    place = {key: i for i, key in enumerate(plan.nodes)}
    before: set[str] = set()
    for cell in plan.cells:
        new = plan.needs(cell) - before
        trains = [place[k] for k in new if plan.nodes[k].stage in ("encode", "condition")]
        if before and trains:
            assert max(place[key] for key in before) < min(trains)
        before |= new


def test_a_cell_is_finished_before_the_next_one_trains() -> None:
    plan = planned(*SMALL[1:], "controls=[shuffled_eeg, class_label]", ENCODERS, CONDITIONERS)
    assert len(plan.cells) == 9
    assert_depth_first(plan)


def test_depth_first_is_what_the_check_checks() -> None:
    plan = planned(*SMALL, CONDITIONERS)
    trainings = {k: n for k, n in plan.nodes.items() if n.stage in ("encode", "condition")}
    breadth = replace(plan, nodes={**trainings, **plan.nodes})
    with pytest.raises(AssertionError):
        assert_depth_first(breadth)


def toy_grid(n_cells: int) -> list[Cell]:
    return [
        replace(with_(CELL, "conditioner", train={"lr": {"all": 1e-4 * (1 + i)}}), id=f"c{i}")
        for i in range(n_cells)
    ]


def test_a_shared_stage_that_fails_costs_the_cells_that_share_it(monkeypatch, tmp_path) -> None:
    add_parts(monkeypatch)
    monkeypatch.setattr(planning, "STAGES", "toy_stages")
    unlucky = with_(replace(CELL, controls=()), "encoder", params={"power": 13})
    cells = [
        replace(unlucky, id="a"),
        replace(with_(unlucky, "pipeline", sample={"steps": 9}), id="b"),
        replace(CELL, id="c", controls=()),
    ]
    store = Store(tmp_path)
    plan = planning.plan(recipe(*cells), Roots(), store)
    outcome = execute(plan, store, Roots(), say=lambda _: None)
    raised = [f for f in outcome.failures.values() if not f.blocked]
    assert [f.label.split(" [")[0] for f in raised] == ["encode toy_encoder · seed 0"]
    lost = {cell.cell.id for cell in plan.cells if plan.needs(cell) & set(outcome.failures)}
    assert lost == {"a", "b"}
    assert plan.needs(plan.cells[2]) <= set(outcome.ran)
    for failure in outcome.failures.values():
        assert failure in raised or failure.message.startswith("not run: encode toy_encoder")


def test_planning_grows_with_the_cells_and_not_with_their_square(monkeypatch) -> None:
    add_parts(monkeypatch)
    monkeypatch.setattr(planning, "STAGES", "toy_stages")

    def seconds(n_cells: int) -> float:
        cells = toy_grid(n_cells)
        began = time.process_time()
        plan = planning.plan(recipe(*cells), Roots(), Store("/no/store"))
        facts = plan.to_json()
        cell_ids([{"lr": i} for i in range(n_cells)])
        took = time.process_time() - began
        assert facts["cells"] == n_cells
        return took

    seconds(20)  # imports, sources
    small, large = min(seconds(100) for _ in range(3)), seconds(800)
    assert large < 3 * 8 * small


def calls_of(n_rates: int) -> int:
    """Return how many functions are called for planning a grid, predicting and printing it."""
    rates = [1e-4 * (1 + i) for i in range(n_rates)]
    counted = 0

    def count(_frame: object, event: str, _arg: object) -> None:
        nonlocal counted
        counted += event == "call"

    sets = (f"grid.conditioner.train.lr={rates}", "grid.seed=[0, 1]")
    sys.setprofile(count)
    try:
        plan = planned("controls=[shuffled_eeg, class_label]", *SMALL[1:], *sets)
        expected = forecast_plan(plan, Roots(), Store("/no/store"), threads=1)
        facts = {**plan.to_json(), **expected}
        plan_text(facts)
        plan_json(facts)
    finally:
        sys.setprofile(None)
    assert facts["cells"] == 2 * n_rates
    return counted


def test_a_cell_more_costs_the_same_in_a_large_grid() -> None:
    """Counted in calls, which no other process disturbs."""
    calls_of(1)  # imports, sources
    few, some, many = calls_of(4), calls_of(8), calls_of(24)
    assert (many - some) / 16 < 1.1 * (some - few) / 4


def test_ids_of_many_cells_are_unique_and_made_at_once() -> None:
    points = [{"seed": i, "conditioner.train.lr": 1e-4 * i} for i in range(20_000)]
    points += [{"seed": "a"}, {"seed": "A"}]  # one folder on some file systems
    began = time.process_time()
    ids = cell_ids(points)
    assert time.process_time() - began < 2
    assert max(Counter(name.lower() for name in ids).values()) == 1
