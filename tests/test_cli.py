"""The command line as a whole: help, errors, the ways to start it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from cli_runner import zoo

import cli


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
