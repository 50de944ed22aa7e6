"""What `zoo plan` predicts of a whole grid, against what running it takes; models are let go."""

from __future__ import annotations

import gc
import json
import re
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from plan_grids import TINY, loaded, planned
from torch import nn

from cli import main
from zoo.datasets.pocket import Pocket
from zoo.engine import execute as executing
from zoo.engine import task
from zoo.engine.forecast import plan as forecasting
from zoo.engine.forecast.disk import png_bytes
from zoo.engine.graph import Plan
from zoo.engine.plan import plan as make_plan
from zoo.engine.roots import Roots
from zoo.engine.store import Store, size_of


def forecast(plan: Plan, store: Store) -> dict[str, Any]:
    return forecasting.forecast_plan(plan, Roots(), store, device="cpu", threads=1)


class Ran:
    """Two cells run in one process; what was predicted, and what was alive when stages began."""

    def __init__(self, store: Store) -> None:
        self.store, self.plan = store, make_plan(loaded(*TINY, "grid.seed=[0, 1]"), Roots(), store)
        self.predicted = forecast(self.plan, store)
        modules: weakref.WeakSet[nn.Module] = weakref.WeakSet()

        def with_weights() -> int:  # transformers keeps an activation of each kind, without any
            gc.collect()
            return sum(next(m.parameters(), None) is not None for m in modules)

        self.alive: list[tuple[str, int]] = []
        self.tensors: dict[str, int] = {}

        def say(text: str) -> None:
            if " encode " in text or " condition " in text:
                self.alive.append((text, with_weights()))
            if " evaluate psnr" in text:  # once a cell, when it has drawn
                found = [o for o in gc.get_objects() if type(o) is torch.Tensor]
                self.tensors[text] = sum(t.numel() for t in found)

        begin = nn.Module.__init__

        def begun(module: nn.Module, *args: Any, **kwargs: Any) -> None:
            begin(module, *args, **kwargs)
            modules.add(module)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(nn.Module, "__init__", begun)
            patch.setattr(task, "LONG", 0.1)  # these stages are short
            self.outcome = executing.execute(self.plan, store, Roots(), threads=1, say=say)
        assert not self.outcome.failures
        self.left = with_weights()


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return Ran(Store(tmp_path_factory.mktemp("store")))


def test_disk_is_predicted_within_a_quarter(ran: Ran) -> None:
    wanted: dict[str, float] = {}
    taken: dict[str, float] = {}
    for key, node in ran.plan.nodes.items():
        wanted[node.stage] = (
            wanted.get(node.stage, 0) + ran.predicted["expected"][key]["disk_bytes"]
        )
        taken[node.stage] = taken.get(node.stage, 0) + size_of(ran.store.path(key))
    total = ran.predicted["forecast"]["total"]
    assert total["disk_unknown"] == 0
    assert total["disk_bytes"] == pytest.approx(sum(wanted.values()), abs=2)
    assert 1 / 1.25 < sum(wanted.values()) / sum(taken.values()) < 1.25
    for stage in ("prepare", "features", "condition"):
        assert 1 / 1.1 < wanted[stage] / taken[stage] < 1.1, stage


def test_the_second_time_is_told_from_the_first(ran: Ran) -> None:
    told = forecast(planned(*TINY, "seed=7", store=ran.store.root), ran.store)
    assert told["forecast"]["total"]["seconds_unknown"] == 0
    assert told["forecast"]["notes"] == []
    by = {facts["by"] for facts in told["expected"].values()}
    assert by == {"store"}
    assert told["forecast"]["in_store_bytes"] > 1e5  # prepare, select, latents, judge
    steps = [f"{one}0" if "conditioner.train.steps" in one else one for one in TINY]
    longer = planned(*steps, "seed=7", store=ran.store.root)
    more = forecast(longer, ran.store)["forecast"]["stages"]["condition"]["seconds"]
    few = told["forecast"]["stages"]["condition"]["seconds"]
    assert more == pytest.approx(few * (1 + 20 * 4) / (1 + 2 * 4))


def test_other_threads_tell_nothing(ran: Ran) -> None:
    plan = planned(*TINY, "seed=7", store=ran.store.root)
    told = forecasting.forecast_plan(plan, Roots(), ran.store, device="cpu", threads=3)
    by = {node.stage: told["expected"][node.key]["by"] for node in plan.to_run}
    assert by == {
        "encode": "rough", "condition": "model", "generate": "model", "features": None,
        "evaluate": None,
    }  # fmt: skip


def test_an_encoder_of_which_nothing_is_known_is_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forecasting, "matmul_flops", lambda _: 1e11)
    longer = [f"{one}0" if "encoder.train.epochs" in one else one for one in TINY]
    told = [forecast(planned(*sets), Store("/no/store")) for sets in (TINY, longer)]
    few, many = (one["forecast"]["stages"]["encode"] for one in told)
    assert few["seconds"] == few["seconds_rough"] > 0
    assert 7 < many["seconds"] / few["seconds"] < 10  # writing tokens is not repeated
    total = told[0]["forecast"]["total"]
    assert few["seconds_rough"] == total["seconds_rough"] < total["seconds"]
    elsewhere = forecasting.forecast_plan(
        planned(*TINY), Roots(), Store("/no/store"), device="cuda"
    )
    assert elsewhere["forecast"]["stages"]["encode"]["seconds_unknown"] == 1


def test_what_the_sum_leaves_out_stands_beside_it(tmp_path: Path) -> None:
    sets = [word for value in TINY for word in ("--set", value)]
    command = ["plan", "paper", *sets, "--store", str(tmp_path), "--threads", "1"]
    text = CliRunner().invoke(main, command).stdout
    (said,) = [line for line in text.splitlines() if line.startswith("To run: ")]
    left_out = "1 prepare, 1 select, 2 features, 3 evaluate, 1 judge"
    assert re.match(
        rf"To run: time about \d\S* (s|min) without 8 stage runs of unknown time \({left_out}\), ",
        said,
    )
    assert "s for encoders is a guess" in text


def test_nothing_of_a_finished_stage_stays(ran: Ran) -> None:
    assert ran.left == 0
    assert [n for _, n in ran.alive] == [0] * 4  # before each training: of the one before, nothing
    first, second = ran.tensors.values()
    assert second <= first + 1000


def test_trials_are_known_before_they_are_simulated() -> None:
    dataset = Pocket(n_classes=2, images_per_class=6, subjects=[2], blocks_per_class=2)
    table = dataset.load().table
    assert dataset.trial_table().equals(table)


def test_unknown_trials_are_left_out_and_said(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.delattr(Pocket, "trial_table")
    told = forecast(planned(*TINY), Store(tmp_path))["forecast"]
    assert told["stages"]["prepare"] == {
        "to_run": 1, "seconds": 0.0, "seconds_unknown": 1, "seconds_rough": 0.0, "disk_bytes": 0,
        "disk_unknown": 1, "memory_bytes": None,
    }  # fmt: skip
    assert told["notes"][0].startswith("data set pocket: its trials are counted when")
    assert told["stages"]["condition"]["disk_bytes"] > 3e6  # weights do not ask for trials
    assert told["run_folder_bytes"] is None
    command = ["plan", "paper", "--store", str(tmp_path), "--threads", "1"]
    text = CliRunner().invoke(main, command).stdout
    assert "at least" in text
    assert "Left out: data set pocket: its trials are counted when" in text


def test_a_limit_bounds_what_is_unknown(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.delattr(Pocket, "trial_table")
    told = forecast(planned(*TINY, "dataset.params.limit=8"), Store(tmp_path))
    drawn = told["forecast"]["stages"]["generate"]["disk_bytes"]
    assert drawn == pytest.approx(8 * (3 * 64**2 + png_bytes(64)) + 6000, abs=1)


def test_a_disk_too_small_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    plan, store = planned(*TINY), Store(tmp_path)
    assert forecasting.disk_problem(plan, Roots(), store) is None
    monkeypatch.setattr(forecasting, "free_bytes", lambda _: 2_000_000)
    assert not forecast(plan, store)["forecast"]["fits"]
    problem = forecasting.disk_problem(plan, Roots(), store)
    assert problem is not None
    assert "has 0.0 GB free" in problem
    command = ["plan", "paper", "--store", str(tmp_path), "--threads", "1"]
    assert "THE DISK IS TOO SMALL" in CliRunner().invoke(main, command).stdout


def test_explain_knows_a_cell_by_a_near_name(ran: Ran) -> None:
    sets = [word for value in (*TINY, "grid.seed=[0, 1]") for word in ("--set", value)]
    command = ["explain", "paper", *sets, "--store", str(ran.store.root)]
    wrong = CliRunner().invoke(main, [*command, "sed=1"])
    assert wrong.exit_code == 2
    assert "has no cell 'sed=1'. Did you mean 'seed=1'?" in wrong.stderr
    right = CliRunner().invoke(main, [*command, "--json", "seed=1"])
    assert right.exit_code == 0, right.output
    assert {node["state"] for node in json.loads(right.stdout)["nodes"]} == {"valid"}
