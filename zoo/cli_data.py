"""Commands about recordings: simulate, check data."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import click

from registry import UserError
from zoo.cli_options import (
    FOLDER,
    ZooCommand,
    ZooGroup,
    json_option,
    print_json,
)


@click.command(cls=ZooCommand)
@click.argument("dataset")
@click.argument("out", type=FOLDER)
@click.option("--full-size", is_flag=True, help="As many trials as the real set has.")
@click.option("--seed", type=int, default=0, show_default=True, help="Another seed, other files.")
def simulate(dataset: str, out: Path, full_size: bool, seed: int) -> None:
    """Write files of a data set's exact format, made up, into the new folder OUT.

    For tests, demonstrations and dry runs: whatever runs on them says "data: simulated".

    \b
    zoo simulate eeg_imagenet40 sim
    zoo run paper --data-root sim
    """
    from zoo.simulate import simulate as write_simulated

    say = partial(click.echo, err=True)
    write_simulated(dataset, out, full_size=full_size, seed=seed, say=say)
    click.echo(f"wrote {out}; use it with --data-root {out}")


@click.group(cls=ZooGroup)
def check() -> None:
    """Check what you bring before anything runs.

    \b
    zoo check data my-data
    """


@check.command("data")
@click.argument("root", type=FOLDER)
@click.option("--image-root", type=FOLDER, help="The pictures shown, if kept elsewhere.")
@json_option
def check_data_command(root: Path, image_root: Path | None, as_json: bool) -> None:
    """Say which format a folder of recordings has, what is in it, and what is wrong.

    Every recording is read once (of things_eeg2, whose files take gigabytes, arrays are described
    and not read); nothing is written. Exit code 0 if the folder can be used: one recording loads,
    and one split file where the format has some. Else 2.

    \b
    zoo check data my-data
    zoo check data my-data --image-root pictures --json
    """
    from zoo.data_check import check_data
    from zoo.data_check.report import report_text

    try:
        report = check_data(root, image_root)
    except UserError as error:
        if not as_json:
            raise
        print_json({"root": str(root), "format": None, "usable": False, "problems": [str(error)]})
        sys.exit(2)
    if as_json:
        print_json(report.to_json())
    else:
        click.echo(report_text(report))
    if not report.usable:
        sys.exit(2)
