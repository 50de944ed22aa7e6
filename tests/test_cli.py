"""The command line: what it prints, its exit codes, its errors."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

import cli
from registry import Registry
from zoo.listing import list_json, results_text, show_text, status_text
from zoo.plan_text import plan_text
from zoo.registries import ENCODERS, REGISTRIES

PLUGIN = """\"\"\"Cli plugin: from the command line.\"\"\"
from torch import nn
from registry import component

@component("encoder", tokens=(1, "embed_dim"))
class CliPlugin(nn.Module):
    def __init__(self, *, n_chans: int, n_times: int, sfreq: float, embed_dim: int = 3):
        super().__init__()
        self.n_tokens, self.embed_dim = 1, embed_dim
        self.map = nn.Linear(n_chans * n_times, embed_dim)
"""


def zoo(*args: str) -> Result:
    return CliRunner().invoke(cli.main, list(args))


@pytest.fixture
def plugin(tmp_path: Path) -> object:
    path = tmp_path / "cli_plugin.py"
    path.write_text(PLUGIN)
    yield path
    ENCODERS._extra.clear()


# ---- list


def test_list_groups_by_kind() -> None:
    result = zoo("list")
    assert result.exit_code == 0, result.output
    blocks = dict(block.split("\n", 1) for block in result.output.strip().split("\n\n"))
    assert list(blocks) == [registry.plural for registry in REGISTRIES.values()]
    assert "  eegnet " in blocks["encoders"]
    assert "  accuracy " in blocks["metrics"]


@pytest.mark.parametrize("kind", ["analysis", "analyses"])
def test_a_kind_with_a_plural_of_its_own(kind: str) -> None:
    assert zoo("list", kind, "difference").output.splitlines()[0] == "analyses"


@pytest.mark.parametrize("kind", ["encoder", "encoders"])
def test_list_one_kind_by_pattern(kind: str) -> None:
    result = zoo("list", kind, "eeg*")
    assert result.output.splitlines()[0] == "encoders"
    names = [line.split()[0] for line in result.output.splitlines()[1:]]
    assert names == ENCODERS.names("eeg*")
    assert len(names) >= 2


def test_list_json() -> None:
    listed = json.loads(zoo("list", "metrics", "--json").output)
    assert list(listed) == ["metric"]
    row = next(row for row in listed["metric"] if row["name"] == "accuracy")
    assert row["summary"].startswith("Accuracy")
    assert row["origin"].startswith("zoo/metrics/accuracy.py:")
    assert set(row) == {"name", "summary", "origin", "paper", "license"}


def test_a_broken_file_does_not_hide_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "pack_for_listing" / "encoders"
    folder.mkdir(parents=True)
    (folder / "bad.py").write_text("(")
    (folder / "cli_plugin.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(str(tmp_path))
    broken = Registry("encoder", "pack_for_listing.encoders", "no.group")
    monkeypatch.setitem(REGISTRIES, "encoder", broken)
    output = zoo("list", "encoders").output
    assert "bad         BROKEN: encoder 'bad' (pack_for_listing/encoders/bad.py:1)" in output
    assert "cli_plugin  Cli plugin: from the command line." in output


def test_a_plugin_module_of_the_working_folder(
    plugin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(plugin.parent)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p])
    output = zoo("list", "encoders", "--plugin", "cli_plugin").output
    assert re.search(r"cli_plugin +Cli plugin: from the command line\.", output)


def test_list_mistakes() -> None:
    result = zoo("list", "encodrs")
    assert result.exit_code == 2
    assert result.stderr == (
        "Error: unknown kind 'encodrs'. Did you mean 'encoder'? Known kinds: "
        "encoder, objective, conditioner, pipeline, dataset, metric, analysis\n"
    )
    result = zoo("list", "encoders", "zzz*")
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: no encoder matches 'zzz*'. Known encoders: ")


# ---- show


def test_show_counts_the_papers_encoder() -> None:
    result = zoo("show", "encoder", "eeg_conv_net", "--json")
    assert result.exit_code == 0, result.output
    size = json.loads(result.output)["size"]
    assert (size["n_tokens"], size["embed_dim"]) == (77, 768)
    assert size["geometry"] == {"n_chans": 128, "n_times": 440, "sfreq": 1000.0}
    assert size["parameters_with_head"] == pytest.approx(2.62e6, rel=2e-3)
    assert size["parameters"] == pytest.approx(0.25e6, rel=0.02)


def test_show_an_encoder_at_another_geometry(plugin: Path) -> None:
    geometry = ["--n-chans", "4", "--n-times", "5", "--sfreq", "100", "--n-outputs", "2"]
    result = zoo("show", "encoders", "cli_plugin", "--plugin", str(plugin), *geometry)
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0] == "cli_plugin (encoder): Cli plugin: from the command line."
    assert lines[-1] == (
        "At 4 channels x 5 samples, 100 Hz: tokens 1 x 3, 63 parameters, "
        "71 with the 'classify' head for 2 classes."
    )
    assert f"origin  --plugin {plugin} ({plugin}:5)" in lines
    assert [line.split() for line in lines if line.startswith("embed_dim")] == [
        ["embed_dim", "int", "3"]
    ]


def test_show_without_building(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)  # importing it would fail
    result = zoo("show", "metrics", "kappa")
    assert result.exit_code == 0, result.output
    assert "needs             logits, label" in result.output
    assert "origin            zoo/metrics/kappa.py:" in result.output


def test_show_mistakes() -> None:
    result = zoo("show", "encoder", "egnet")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Error: unknown encoder 'egnet'. Did you mean 'eegnet'? ")
    assert "Traceback" not in result.stderr
    assert zoo("show", "pipeline", "eegnet").stderr == (
        "Error: 'eegnet' is an encoder, not a pipeline\n"
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--n-chans", "0"), "Invalid value for '--n-chans': 0 is not in the range x>=1"),
        (("--sfreq", "0"), "Invalid value for '--sfreq': 0.0 is not in the range x>0"),
        (
            ("--n-times", "3"),
            "Error: encoder 'eegnet' cannot be built for 128 channels, 3 samples, 1000 Hz: ",
        ),
    ],
)
def test_show_refuses_a_geometry_that_cannot_be(options: tuple[str, str], said: str) -> None:
    result = zoo("show", "encoders", "eegnet", *options)
    assert result.exit_code == 2
    assert said in result.stderr


@pytest.mark.parametrize("command", [("new", "encoder", "my_net"), ("docs",)])
def test_a_folder_that_cannot_be_written_is_one_clear_line(
    command: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    result = zoo(*command, "--to", str(tmp_path / "file" / "folder"))
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert line == f"Error: {tmp_path}/file/folder: Not a directory"
    with pytest.raises(OSError, match="Not a directory"):
        cli.main(
            [*command, "--to", str(tmp_path / "file" / "folder"), "--debug"], standalone_mode=False
        )


def test_debug_shows_the_traceback() -> None:
    result = zoo("show", "encoder", "egnet", "--debug")
    assert isinstance(result.exception, ValueError)
    assert "unknown encoder 'egnet'" in str(result.exception)


# ---- recipes


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


# ---- status, report, docs


def test_status_of_a_large_store_sums_up_and_names_the_largest() -> None:
    entries = [
        {"key": str(i), "stage": "evaluate" if i % 2 else "encode", "label": f"encode n{i}",
         "size": i * 1_000_000, "last_used": 0.0}
        for i in range(200)
    ]  # fmt: skip
    text = status_text({"store": "/s", "entries": entries})
    assert "encode    100       9900.0" in text
    assert "n199" in text
    assert "n139" not in text
    assert "The 60 largest; --json lists all:" in text


def test_status_of_an_empty_store(tmp_path: Path) -> None:
    result = zoo("status", "--store", str(tmp_path / "none"))
    assert result.exit_code == 0, result.output
    assert result.output == f"{tmp_path / 'none'}: 0 finished stages, 0.0 MB\n"
    pruned = json.loads(zoo("status", "--store", str(tmp_path), "--prune", "--json").output)
    assert pruned["pruned"] == {"folders": 0, "bytes": 0}


def test_status_text() -> None:
    import time

    entry = {"stage": "encode", "label": "eegnet", "size": 2_500_000, "last_used": time.time()}
    text = status_text({"store": "/s", "entries": [entry], "pruned": {"folders": 1, "bytes": 5e6}})
    assert text == (
        "/s: 1 finished stages, 2.5 MB\n"
        "removed 1 folders, 5.0 MB\n\n"
        "stage   what    MB   last used\n"
        "encode  eegnet  2.5  0.0 hours ago"
    )


def test_report_of_something_else(tmp_path: Path) -> None:
    result = zoo("report", str(tmp_path))
    assert result.exit_code == 2
    assert result.stderr == (
        f"Error: {tmp_path} holds no results.json; name a run folder, for example runs/latest\n"
    )


def test_docs_are_written_and_checked(tmp_path: Path) -> None:
    folder = tmp_path / "components"
    result = zoo("docs", "--to", str(folder))
    assert result.exit_code == 0, result.output
    # One of each kind, controls, image towers, and the list of all.
    assert len(result.output.splitlines()) == len(REGISTRIES) + 3
    assert zoo("docs", "--check", "--to", str(folder)).exit_code == 0
    assert zoo("docs", "--to", str(folder)).output == ""
    encoders = (folder / "encoders.md").read_text()
    assert "| [`eegnet`](#eegnet) | EEGNet: compact" in encoders
    assert "| `embed_dim` | `int` | `128` |" in encoders
    (folder / "encoders.md").write_text(encoders + "by hand\n")
    (folder / "gadgets.md").touch()
    result = zoo("docs", "--check", "--to", str(folder))
    assert result.exit_code == 2
    assert result.stderr == (
        f"Error: out of date in {folder}: encoders.md, gadgets.md (no such kind). Run `zoo docs`\n"
    )


def test_the_docs_in_the_repository_are_up_to_date() -> None:
    result = zoo("docs", "--check")
    assert result.exit_code == 0, result.stderr


# ---- as a program


def commands() -> list[str]:
    """Return every command, those of a group as "check data"."""
    groups = {n: c.commands for n, c in cli.main.commands.items() if isinstance(c, click.Group)}
    inside = [f"{group} {name}" for group, found in groups.items() for name in found]
    return sorted([*(name for name in cli.main.commands if name not in groups), *inside])


@pytest.mark.parametrize("command", commands())
def test_every_command_has_help_with_an_example_and_debug(command: str) -> None:
    result = zoo(*command.split(), "--help")
    assert result.exit_code == 0
    assert "--debug" in result.output
    assert command == "docs" or f"zoo {command}" in result.output.partition("\n")[2]


def test_a_group_lists_its_commands() -> None:
    assert "check data" in commands()
    result = zoo("check", "--help")
    assert result.exit_code == 0
    assert "zoo check data my-data" in result.output


@pytest.mark.parametrize("program", [["-m", "zoo"], ["-m", "cli"]])
def test_as_a_module(program: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, *program, "show", "encoder", "egnet"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr.startswith("Error: unknown encoder 'egnet'.")


def test_the_installed_command() -> None:
    command = shutil.which("zoo", path=str(Path(sys.executable).parent))
    if command is None:
        pytest.skip("the command 'zoo' is not installed beside this Python")
    done = subprocess.run([command, "--version"], capture_output=True, text=True)
    assert done.stdout == "zoo, version 0.1.0\n"


def test_listing_helpers_agree_with_the_registry() -> None:
    assert [row["name"] for row in list_json("encoder")["encoder"]] == ENCODERS.names()
    facts = {"kind": "metric", "name": "m", "summary": "S.", "doc": "S.\n\nMore.", "notes": ""}
    facts |= {"meta": {}, "origin": "here", "parameters": []}
    assert show_text(facts) == "m (metric): S.\n\nMore.\n\norigin  here"
