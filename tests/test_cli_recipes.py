"""Commands about a recipe: what they print, their exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_runner import zoo

from zoo.listing import results_text
from zoo.plan_text import plan_text


@pytest.mark.parametrize("command", ["validate", "plan", "run"])
def test_a_typo_in_a_recipe_writes_nothing(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZOO_STORE", str(tmp_path / "store"))
    result = zoo(command, "paper", "--set", "encoder=egnet", "--set", "encoder.train.epoch=1")
    assert result.exit_code == 2
    assert "unknown encoder 'egnet'. Did you mean 'eegnet'?" in result.stderr
    assert "Did you mean 'epochs'?" in result.stderr
    assert "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_validate_says_what_stands_in() -> None:
    result = zoo("validate", "paper", "--json")
    assert result.exit_code == 0, result.output
    facts = json.loads(result.output)
    assert (facts["valid"], facts["scale"], facts["data"], facts["weights"]) == (
        True,
        "pocket",
        "simulated",
        "pocket",
    )
    assert zoo("validate", "paper").output.startswith("paper is valid: 1 cell, simulated data")


def test_validate_says_what_set_takes_from_cells() -> None:
    change = ("--set", "encoder.train.lr=1e-3")
    said = "encoder.train.lr=0.001 (--set) replaces "
    assert f"\n  {said}" in zoo("validate", "encoders", *change).output
    (told,) = json.loads(zoo("validate", "encoders", "--json", *change).output)["replaced"]
    assert told.startswith(said)
    assert json.loads(zoo("validate", "encoders", "--json").output)["replaced"] == []


def test_validate_json_lists_the_mistakes() -> None:
    result = zoo("validate", "paper", "--json", "--set", "encoder=egnet", "--set", "seed=x")
    assert result.exit_code == 2
    facts = json.loads(result.output)
    assert not facts["valid"]
    assert len(facts["errors"]) >= 2


def test_an_unknown_recipe() -> None:
    result = zoo("run", "no_such_recipe")
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: no recipe 'no_such_recipe'. ")


RESULTS = {
    "data": "simulated",
    "weights": "pocket",
    "scale": "pocket",
    "contribution": {},
    "cells": [
        {
            "id": "one",
            "coords": {"encoder": "eegnet", "seed": 1},
            "seed": 1,
            "control": None,
            "metrics": {
                "accuracy": {
                    "value": 0.931,
                    "ci95": [0.87, 0.97],
                    "n": 100,
                    "unit": "trial",
                    "split": "test",
                },
                "copy_share": {"value": None, "reason": "not computed: needs pictures"},
            },
        },
        {
            "id": "two",
            "coords": {},
            "seed": 0,
            "control": "shuffled_eeg",
            "metrics": {"kappa": {"value": -0.5}},
        },
    ],
}  # fmt: skip


def test_results_text() -> None:
    assert [line.split("  ") for line in results_text(RESULTS).splitlines() if line] == [
        line.split("  ")
        for line in [
            "cell  control       metric      value                         95 %            n",
            "one   -             accuracy    0.931"
            "                         0.870 to 0.970  100 test trials",
            "one   -             copy_share  not computed: needs pictures",
            "two   shuffled_eeg  kappa       -0.500                        none",
            "seed: 1, 0, data: simulated, weights: pocket, scale: pocket",
        ]
    ]


def test_what_to_know_of_the_figures_names_the_cell() -> None:
    def cell(name: str, look: int, probe: str | None = None) -> dict[str, object]:
        about = {"id": name, "coords": {"lr": look}, "seed": 0, "control": None, "metrics": {}}
        ledger = {"look": {"number": look, "sentence": f"look {look}."}, "stamp": None}
        return about | {"leakage": {"sentence": "Clean."}, "ledger": ledger, "probe": probe}

    cells = [cell("a", 1), cell("b", 2, "leaks: the class is decoded")]
    found = results_text({**RESULTS, "cells": cells}).splitlines()
    assert found[2:5] == [
        "Clean. (2 cells)", "look 2. (b)", "Leak probe: leaks: the class is decoded (b)",
    ]  # fmt: skip
    alone = results_text({**RESULTS, "cells": cells[1:]}).splitlines()
    assert alone[2:5] == ["Clean.", "look 2.", "Leak probe: leaks: the class is decoded"]


@pytest.mark.parametrize(("messages", "code"), [([], 0), (["NaN"], 1)])
def test_run_prints_figures_and_the_report(
    messages: list[str], code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import zoo.engine.run as engine
    from zoo.engine.execute import Failure

    (tmp_path / "results.json").write_text(json.dumps(RESULTS))
    asked = {}

    def run(recipe: object, **kwargs: object) -> engine.RunResult:
        asked.update(kwargs, recipe=recipe)
        failures = [Failure("encode x", message) for message in messages]
        return engine.RunResult(tmp_path, ["cell"] * len(failures), failures, ran=1, reused=0)

    monkeypatch.setattr(engine, "run", run)
    result = zoo("run", "paper", "--out", str(tmp_path / "o"), "--threads", "2")
    assert result.exit_code == code, result.output
    assert result.stdout.splitlines()[-1] == str(tmp_path / "report.html")
    assert "0.870 to 0.970" in result.stdout
    assert (asked["out"], asked["threads"], asked["device"]) == (tmp_path / "o", 2, "cpu")
    machine = zoo("run", "paper", "--json")
    assert machine.exit_code == code, machine.output
    as_json = json.loads(machine.stdout)
    assert as_json["folder"] == str(tmp_path)
    assert as_json["failed"] == [{"node": "encode x", "message": m} for m in messages]
    assert as_json["scale"] == "pocket"


def test_an_interrupted_run_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    import zoo.engine.run as engine

    def run(*_args: object, **_kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(engine, "run", run)
    result = zoo("run", "paper")
    assert result.exit_code == 130
    assert "stopped; the same command goes on where it was" in result.stderr


def test_plan_text() -> None:
    nodes = [("prepare", "valid"), ("encode", "missing"), ("encode", "damaged")]
    planned = {
        "recipe": "paper",
        "cells": 2,
        "grid": [{"id": f"seed={s}", "coords": {"seed": s}} for s in (0, 1)],
        "stages": {"prepare": 1, "encode": 2},
        "distinct": 3,
        "cached": 1,
        "to_run": 2,
        "unshared": 4,
        "nodes": [{"stage": s, "label": f"{s} {t}", "state": t} for s, t in nodes],
    }
    assert plan_text(planned) == (
        "paper: 2 cells, 3 distinct stage runs (4 if nothing were shared)\n\n"
        "Cells:\n  seed=0  seed=0\n  seed=1  seed=1\n\n"
        "stage    distinct  in the store  to run\n"
        "prepare  1         1             0\n"
        "encode   2         0             2\n\n"
        "To run, in this order:\n"
        "  encode missing\n"
        "  encode damaged"
    )
