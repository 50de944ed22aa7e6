"""`zoo new`: every template works as it is written."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import cli
from registry.runtime import spec_of_class
from zoo.checks import promises
from zoo.registries import REGISTRIES, add_plugin
from zoo.templates import template

NAME = "brand_new_part"


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Any]:
    """Return a function that writes a template of a kind and registers it."""
    written = []

    def make(kind: str) -> Any:
        path = tmp_path / kind / f"{NAME}.py"
        result = CliRunner().invoke(cli.main, ["new", kind, NAME, "--to", str(path.parent)])
        assert result.exit_code == 0, result.output
        assert result.output.splitlines()[0] == f"wrote {path}"
        add_plugin(str(path))
        written.append(kind)
        return REGISTRIES[kind]

    yield make
    for kind in written:
        REGISTRIES[kind]._extra.clear()


@pytest.mark.parametrize("kind", sorted(REGISTRIES))
def test_described_alike_by_text_and_class(kind: str, made: Any) -> None:
    registry = made(kind)
    spec = registry.spec(NAME)
    assert spec.class_name == "BrandNewPart"
    assert spec.summary.startswith("Brand new part: ")
    runtime = spec_of_class(kind, NAME, registry.get(NAME))
    assert runtime.parameters == spec.parameters
    assert runtime.meta == spec.meta


def test_templates_are_well_formatted(tmp_path: Path) -> None:
    for kind in REGISTRIES:
        (tmp_path / f"{kind}.py").write_text(template(kind, NAME))
    config = Path(__file__).parent.parent / "pyproject.toml"
    for command in (["check"], ["format", "--check", "--diff"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--config", str(config), str(tmp_path)],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("kind", sorted(REGISTRIES))
def test_passes_the_battery_of_its_kind(kind: str, made: Any) -> None:
    made(kind)
    ours = [check for name, check in promises(kind) if name.startswith(f"{kind}-{NAME}-")]
    assert len(ours) > 5
    for check in ours:
        check()


@pytest.mark.parametrize(
    ("kind", "name", "text"),
    [
        ("encoder", "eegnet", "Error: encoder 'eegnet' is already there: zoo/encoders/eegnet.py:"),
        ("encoder", "My-net", "Error: 'My-net' cannot name a component: use lower-case letters"),
        ("encoder", "class", "Error: 'class' cannot name a component: use lower-case letters"),
        ("encoder", "_net", "Error: '_net' would be a helper: component names do not begin with _"),
        ("gadget", "my_net", "Error: unknown kind 'gadget'. "),
    ],
)
def test_names_that_cannot_be(kind: str, name: str, text: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(cli.main, ["new", kind, name, "--to", str(tmp_path)])
    assert result.exit_code == 2
    assert result.stderr.startswith(text)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "my_net.py").write_text("mine")
    result = CliRunner().invoke(cli.main, ["new", "encoder", "my_net", "--to", str(tmp_path)])
    assert result.exit_code == 2
    assert result.stderr == (
        f"Error: {tmp_path / 'my_net.py'} exists; remove it or choose another name\n"
    )
    assert (tmp_path / "my_net.py").read_text() == "mine"
