"""What commands share: how errors and JSON are shown, and the options of a run."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from registry import UserError

F = TypeVar("F", bound=Callable[..., Any])
FOLDER = click.Path(file_okay=False, path_type=Path)
COUNT = click.IntRange(min=1)
#: More than any one process has a use for: a slip of the finger.
MOST_THREADS = 256


class ZooCommand(click.Command):
    """A command with ``--debug``."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        text = "Show the traceback of an error."
        self.params.append(click.Option(["--debug"], is_flag=True, expose_value=False, help=text))


class ZooGroup(click.Group):
    """Prints what the user did wrong without a traceback and exits with 2."""

    command_class = ZooCommand

    def main(self, args: list[str] | None = None, *rest: Any, **kwargs: Any) -> Any:
        """Run a command; 0 done, 1 some cell failed, 2 the request was wrong."""
        given = sys.argv[1:] if args is None else list(args)
        try:
            return super().main(given, *rest, **kwargs)
        except UserError as error:
            if "--debug" in given:
                raise
            several = "\n" in str(error)
            click.echo(str(error) if several else f"Error: {error}", err=True)
            sys.exit(2)
        except OSError as error:  # a full disk, a folder that cannot be written
            if "--debug" in given:
                raise
            click.echo(f"Error: {error.filename or 'a file'}: {error.strerror or error}", err=True)
            sys.exit(2)


def _add_plugins(_context: click.Context, _option: click.Parameter, value: tuple[str, ...]) -> None:
    from zoo.registries import add_plugin

    if value and str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))  # where `python -m zoo` finds modules, too
    for plugin in value:
        add_plugin(plugin)


plugin_option = click.option(
    "--plugin",
    multiple=True,
    metavar="FILE_OR_MODULE",
    is_eager=True,
    expose_value=False,
    callback=_add_plugins,
    help="Also know the component in this file or module (its name is the file's). Repeatable.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
store_option = click.option(
    "--store",
    type=FOLDER,
    help="Where finished stages are kept [default: $ZOO_STORE, else your cache folder].",
)


def recipe_options(command: F) -> F:
    """Add the argument RECIPE and the options that run, plan and validate share."""
    options = [
        click.argument("recipe"),
        click.option(
            "--set",
            "overrides",
            multiple=True,
            metavar="PATH=VALUE",
            help="Change the recipe, e.g. --set encoder=eegnet --set encoder.train.lr=3e-4.",
        ),
        click.option(
            "--scale",
            type=click.Choice(["auto", "full"]),
            default="auto",
            show_default=True,
            help="full: no stand-ins; says what is missing and where to get it.",
        ),
        click.option("--data-root", type=FOLDER, help="Your recordings, instead of simulated EEG."),
        click.option("--image-root", type=FOLDER, help="The pictures shown, if kept elsewhere."),
        click.option(
            "--weights-root", type=FOLDER, help="Denoiser weights (a diffusers folder, or above)."
        ),
        store_option,
        click.option(
            "--out",
            type=FOLDER,
            default=Path("runs"),
            show_default=True,
            help="Run folders are made in here.",
        ),
        plugin_option,
        click.option("--threads", type=click.IntRange(1, MOST_THREADS), help="CPU threads."),
        click.option("--device", default="cpu", show_default=True, help="cpu, cuda, cuda:1 …"),
        json_option,
    ]
    for option in reversed(options):
        command = option(command)
    return command


def worker_options(command: F) -> F:
    """Add the options that say where stages run, if not in this process."""
    options = [
        click.option(
            "--workers",
            type=COUNT,
            metavar="N",
            help="Run N stages at a time, in N processes that share cores and memory; "
            "one GPU each with --device cuda.",
        ),
        click.option(
            "--worker-memory",
            metavar="SIZE",
            help="What each of --workers may use, e.g. 8GB [default: an equal part].",
        ),
        click.option(
            "--dask",
            metavar="ADDRESS",
            help="Run stages on the workers of this Dask scheduler, e.g. tcp://host:8786.",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def print_json(value: Any) -> None:
    """Print what ``--json`` asks for."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))
