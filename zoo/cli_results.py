"""Commands about what was run: status, generate, report, compare."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from zoo.cli_options import (
    COUNT,
    FOLDER,
    ZooCommand,
    json_option,
    plugin_option,
    print_json,
    store_option,
)


@click.command(cls=ZooCommand)
@click.option("--prune", is_flag=True, help="Remove leftovers and what was not used for long.")
@click.option(
    "--unused-days",
    type=click.FloatRange(min=0),
    default=30.0,
    show_default=True,
    help="With --prune: how long is long.",
)
@store_option
@json_option
def status(prune: bool, unused_days: float, store: Path | None, as_json: bool) -> None:
    """Show what the store holds; with --prune make room.

    \b
    zoo status
    zoo status --prune --unused-days 7
    """
    from zoo.engine.store import Store
    from zoo.listing import status_json, status_text

    opened = Store(store)
    pruned = opened.prune(unused_days) if prune else None
    facts = status_json(opened, pruned)
    if as_json:
        print_json(facts)
    else:
        click.echo(status_text(facts))


@click.command(cls=ZooCommand)
@click.option(
    "--run", "run_folder", required=True, type=FOLDER, help="A run folder: runs/latest, for one."
)
@click.option(
    "--eeg",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Trials: an array (.npy; trials, channels, samples) or saved epochs (-epo.fif).",
)
@click.option("--out", required=True, type=FOLDER, help="A new folder for the pictures.")
@click.option("--cell", help="Which pipeline, where the run has several.")
@click.option("--guidance-scale", type=click.FloatRange(min=1), help="Instead of the run's.")
@click.option("--steps", type=COUNT, help="Instead of the run's.")
@click.option("--seed", type=click.IntRange(min=0), help="Instead of the run's.")
@click.option(
    "--subject",
    type=click.IntRange(min=0),
    help="Number of the trials' subject in the training data; left out: an unseen one.",
)
@click.option("--weights-root", type=FOLDER, help="Denoiser weights, unless the pocket weights.")
@click.option("--threads", type=COUNT, help="CPU threads.")
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda, cuda:1 …")
@plugin_option
def generate(
    run_folder: Path, eeg: Path, out: Path, device: str, threads: int | None, **request: Any
) -> None:
    """Draw pictures for EEG of your own with what a run has trained.

    Writes a picture for each trial, index.csv and contact-sheet.png. The EEG has the channels, the
    sampling rate and the window of the training data; epochs are matched by channel name. For
    encoders that treat each subject in its own way, say with --subject whose EEG it is.

    \b
    zoo generate --run runs/latest --eeg trials.npy --out drawn
    zoo generate --run runs/latest --eeg subject1-epo.fif --out drawn --guidance-scale 5
    """
    from zoo.engine.device import prepare_torch
    from zoo.export.generate import generate as draw

    prepare_torch(device, threads)
    pictures = draw(run_folder, eeg, out, device=device, **request)
    click.echo(f"{pictures} pictures in {out}")


@click.command(cls=ZooCommand)
@click.argument("run_folder", metavar="RUN", type=FOLDER)
def report(run_folder: Path) -> None:
    """Write report.html of a run folder again, from what the folder holds.

    \b
    zoo report runs/latest
    """
    from zoo.report import write_report

    click.echo(write_report(run_folder))


@click.command(cls=ZooCommand)
@click.argument("runs", nargs=-1, required=True, metavar="RUN RUN...", type=FOLDER)
@click.option("--metric", "metrics", multiple=True, metavar="NAME", help="Only this. Repeatable.")
@json_option
def compare(runs: tuple[Path, ...], metrics: tuple[str, ...], as_json: bool) -> None:
    """Hold runs against each other: figures, differences on the same trials, recipes.

    Each RUN is a run folder and all that is needed. The cells of a grid count singly, so one
    folder may do; seeds of a cell are averaged. In several runs of one grid each cell is compared
    with its namesakes. "Better" is said only where it is supported.

    \b
    zoo compare runs/paper/20260102-101500-0a1b2c3d runs/latest
    zoo compare runs/latest --metric image_class_accuracy --metric two_way
    """
    from zoo.compare import compare_runs
    from zoo.compare.text import comparison_text

    found = compare_runs(runs, metrics)
    if as_json:
        print_json(found.to_json())
    else:
        click.echo(comparison_text(found))
