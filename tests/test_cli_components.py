"""Commands about components: what they list, show and write of them."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from cli_runner import zoo

from registry import Registry
from zoo.listing import list_json, show_text
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


# ---- docs


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


def test_listing_helpers_agree_with_the_registry() -> None:
    assert [row["name"] for row in list_json("encoder")["encoder"]] == ENCODERS.names()
    facts = {"kind": "metric", "name": "m", "summary": "S.", "doc": "S.\n\nMore.", "notes": ""}
    facts |= {"meta": {}, "origin": "here", "parameters": []}
    assert show_text(facts) == "m (metric): S.\n\nMore.\n\norigin  here"
