"""The command line `zoo`: a command parses, calls the package, prints; imports are inside."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from registry import UserError
from zoo.cli_options import (
    COUNT,
    FOLDER,
    ZooGroup,
    json_option,
    plugin_option,
    recipe_options,
    store_option,
    worker_options,
)

if TYPE_CHECKING:
    from zoo.recipe import Recipe

STAND_INS = {
    "data": "simulated EEG stands in for recordings (--data-root)",
    "weights": "pocket weights stand in for a full-size denoiser (--weights-root)",
}


def _load(request: dict[str, Any], *, for_run: bool = False) -> Recipe:
    from zoo.recipe import load_recipe

    return load_recipe(
        request["recipe"],
        overrides=request["overrides"],
        scale=request["scale"],
        data_root=request["data_root"],
        weights_root=request["weights_root"],
        for_run=for_run,
    )


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


@click.group(cls=ZooGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="eegzoo", prog_name="zoo")
def main() -> None:
    """Draw what a person saw from their EEG, and measure how well.

    A recipe (YAML) names one component of each kind; `zoo run` trains the encoder, teaches
    Stable Diffusion to listen to it, draws, scores, and writes a report. Without data or weights
    of your own it uses simulated EEG and a small diffusion model that ships.

    \b
    zoo run paper                             the paper, from start to report
    zoo run paper --set conditioner=linear    the same with one part changed
    zoo list                                  which parts there are
    zoo show encoders eegnet                  what one of them is and takes
    zoo new encoder my_net                    begin your own

    Exit codes: 0 done, 1 some cell failed, 2 the request was wrong.
    """


@main.command("list")
@click.argument("kind", required=False)
@click.argument("pattern", default="*")
@plugin_option
@json_option
def list_command(kind: str | None, pattern: str, as_json: bool) -> None:
    """List the components, one line each.

    KIND is encoder, objective, conditioner, pipeline, dataset or metric (or its plural);
    PATTERN is a shell pattern. Nothing is imported: this takes a fraction of a second.

    \b
    zoo list
    zoo list encoders "eeg*"
    zoo list metrics --json
    """
    from zoo.listing import list_json, list_text

    if as_json:
        _print_json(list_json(kind, pattern))
    else:
        click.echo(list_text(kind, pattern))


@main.command()
@click.argument("kind")
@click.argument("name")
@click.option("--n-chans", type=COUNT, default=128, show_default=True, help="EEG channels.")
@click.option("--n-times", type=COUNT, default=440, show_default=True, help="Samples per trial.")
@click.option(
    "--sfreq",
    type=click.FloatRange(0, min_open=True),
    default=1000.0,
    show_default=True,
    help="Samples per second.",
)
@click.option(
    "--n-outputs", type=COUNT, default=40, show_default=True, help="Classes of the objective."
)
@plugin_option
@json_option
def show(
    kind: str,
    name: str,
    n_chans: int,
    n_times: int,
    sfreq: float,
    n_outputs: int,
    as_json: bool,
) -> None:
    """Say what a component is, what it takes, where it comes from.

    Encoders are also built, at the geometry that the options state, to count their parameters.

    \b
    zoo show encoders eegnet
    zoo show encoders eegnet --n-chans 63 --n-times 250 --sfreq 250
    zoo show metric accuracy --json
    """
    from zoo.listing import show_json, show_text

    geometry = {"n_chans": n_chans, "n_times": n_times, "sfreq": sfreq}
    facts = show_json(kind, name, geometry, n_outputs)
    if as_json:
        _print_json(facts)
    else:
        click.echo(show_text(facts))


@main.command()
@click.argument("kind")
@click.argument("name")
@click.option("--to", type=FOLDER, help="Write the file into this folder.")
def new(kind: str, name: str, to: Path | None) -> None:
    """Write the file of a new component that already works, for you to change.

    In a checkout it lands in its place (zoo/encoders/NAME.py) and is listed at once; elsewhere
    in the current folder, to be used with --plugin.

    \b
    zoo new encoder my_net
    zoo new metric my_score --to my_project
    """
    from zoo.templates import write_template

    path, advice = write_template(kind, name, to)
    click.echo(f"wrote {path}\n{advice}")


@main.command()
@click.option("--deep", is_flag=True, help="Also build everything tiny and push one batch through.")
@recipe_options
def validate(deep: bool, as_json: bool, **request: Any) -> None:
    """Check a recipe: every mistake at once, with line and suggestion; nothing runs.

    RECIPE is a file or the name of a recipe that ships ("paper").

    \b
    zoo validate my.yaml
    zoo validate my.yaml --set encoder=eegnet --deep
    """
    try:
        recipe = _load(request)
        if deep:
            from zoo.recipe.validate import deep_check

            deep_check(recipe)
    except UserError as error:
        if not as_json:
            raise
        _print_json({"valid": False, "errors": str(error).splitlines()})
        sys.exit(2)
    facts = {
        "valid": True,
        "recipe": recipe.name,
        "cells": len(recipe.cells),
        "scale": recipe.scale,
        "data": recipe.data,
        "weights": recipe.weights,
        "stand_ins": list(recipe.stand_ins),
        "deep": deep,
    }
    if as_json:
        _print_json(facts)
        return
    click.echo(
        f"{recipe.name} is valid{' (built and tried tiny)' if deep else ''}: "
        f"{len(recipe.cells)} cell{'s' if len(recipe.cells) != 1 else ''}, "
        f"{recipe.data} data, {recipe.weights} weights"
    )
    for stand_in in recipe.stand_ins:
        click.echo(f"  {STAND_INS[stand_in]}")


@main.command()
@recipe_options
def plan(as_json: bool, **request: Any) -> None:
    """Show what a recipe would run and what the store already holds; nothing runs.

    Lists the cells, counts stages and trainings, and predicts time, memory and disk of everything
    that is to run: from what the store has seen before, else from shapes. What cannot be known yet
    is said to be left out.

    \b
    zoo plan paper --set conditioner=lora
    zoo plan my.yaml --set 'grid.seed=[0, 1, 2]' --json
    """
    from zoo.collector import nothing_collected
    from zoo.engine.forecast_plan import forecast_plan
    from zoo.engine.plan import plan as make_plan
    from zoo.engine.roots import Roots
    from zoo.engine.store import Store
    from zoo.plan_text import plan_json, plan_text

    roots = Roots.resolve(request["data_root"], request["image_root"], request["weights_root"])
    store = Store(request["store"])
    with nothing_collected():
        recipe = _load(request, for_run=True)
        made = make_plan(recipe, roots, store)
        expected = forecast_plan(
            made, roots, store, device=request["device"], threads=request["threads"]
        )
        planned = {**made.to_json(), **expected}
        click.echo(plan_json(planned) if as_json else plan_text(planned))


@main.command()
@recipe_options
@click.argument("cell", required=False)
def explain(cell: str | None, as_json: bool, **request: Any) -> None:
    """Say why stages run again: what differs from the nearest result in the store; nothing runs.

    CELL is the id that `zoo plan` puts in brackets; leave it out where the recipe has one cell.
    Old value first, then the new one.

    \b
    zoo explain paper --set encoder.train.lr=3e-4
    zoo explain my.yaml encoder=eegnet,seed=0 --json
    """
    from zoo.engine.explain import explain as why
    from zoo.engine.explain_text import explain_text
    from zoo.engine.plan import plan as make_plan
    from zoo.engine.roots import Roots
    from zoo.engine.store import Store

    roots = Roots.resolve(request["data_root"], request["image_root"], request["weights_root"])
    store = Store(request["store"])
    made = make_plan(_load(request, for_run=True), roots, store)
    found = why(made, store, cell).to_json()
    if as_json:
        _print_json(found)
    else:
        click.echo(explain_text(found))


@main.command()
@recipe_options
def probe(as_json: bool, **request: Any) -> None:
    """Ask whether the data of a recipe let a decoder find the class without seeing a response.

    Looks before the picture, at channel means alone, at early against late trials of a block, and
    at blocks whose labels are permuted; ends with one sentence. Trains nothing of the recipe.

    \b
    zoo probe paper
    zoo probe paper --set dataset.params.band=[1,70] --set dataset.params.drift=1
    """
    from zoo.probe import probe as look
    from zoo.probe.report import probe_text

    recipe = _load(request, for_run=True)
    names = ("data_root", "image_root", "store", "device", "threads")
    found = look(recipe, **{name: request[name] for name in names})
    if as_json:
        _print_json(found.to_json())
    else:
        click.echo(probe_text(found))


@main.command()
@recipe_options
@click.option(
    "--processes",
    type=COUNT,
    default=1,
    show_default=True,
    help="Train conditioners in this many processes, one GPU each with --device cuda.",
)
@worker_options
def run(as_json: bool, **request: Any) -> None:
    """Run a recipe and write a run folder with figures, pictures and report.html.

    RECIPE is a file or the name of a recipe that ships ("paper"). Stages that the store already
    holds are not run again; after an interruption the same command goes on where it was.

    \b
    zoo run paper
    zoo run paper --set encoder=eegnet --set seed=1
    zoo run paper --set "grid.seed=[0,1,2,3]" --workers 2
    zoo run n170 --data-root /path/to/bids
    """
    recipe = _load(request, for_run=True)
    from zoo.engine.run import run as run_recipe
    from zoo.listing import results_text

    names = ("data_root", "image_root", "weights_root", "store", "out")
    names += ("device", "threads", "processes", "workers", "worker_memory", "dask")
    try:
        result = run_recipe(recipe, **{name: request[name] for name in names})
    except KeyboardInterrupt:
        click.echo("\nstopped; the same command goes on where it was", err=True)
        sys.exit(130)
    results = json.loads((result.folder / "results.json").read_text("utf-8"))
    if as_json:
        failed = [{"node": f.label, "message": f.message} for f in result.failures]
        _print_json({"folder": str(result.folder), "failed": failed, **results})
    else:
        click.echo(results_text(results))
        click.echo(result.folder / "report.html")
    if result.failures:
        sys.exit(1)


@main.command()
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
        _print_json(facts)
    else:
        click.echo(status_text(facts))


@main.command()
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


@main.command()
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


@main.command()
@click.argument("run_folder", metavar="RUN", type=FOLDER)
def report(run_folder: Path) -> None:
    """Write report.html of a run folder again, from what the folder holds.

    \b
    zoo report runs/latest
    """
    from zoo.report import write_report

    click.echo(write_report(run_folder))


@main.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN RUN...", type=FOLDER)
@click.option("--metric", "metrics", multiple=True, metavar="NAME", help="Only this. Repeatable.")
@json_option
def compare(runs: tuple[Path, ...], metrics: tuple[str, ...], as_json: bool) -> None:
    """Hold runs against each other: figures, differences on the same trials, recipes.

    Each RUN is a run folder and all that is needed. The cells of a grid count singly, so one
    folder may do; seeds of a cell are averaged. "Better" is said only where it is supported.

    \b
    zoo compare runs/paper/20260102-101500-0a1b2c3d runs/latest
    zoo compare runs/latest --metric image_class_accuracy --metric two_way
    """
    from zoo.compare import compare_runs
    from zoo.compare.text import comparison_text

    found = compare_runs(runs, metrics)
    if as_json:
        _print_json(found.to_json())
    else:
        click.echo(comparison_text(found))


@main.group(cls=ZooGroup)
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
        _print_json({"root": str(root), "format": None, "usable": False, "problems": [str(error)]})
        sys.exit(2)
    if as_json:
        _print_json(report.to_json())
    else:
        click.echo(report_text(report))
    if not report.usable:
        sys.exit(2)


@main.command()
@click.option("--check", is_flag=True, help="Write nothing; exit 2 if a page is out of date.")
@click.option("--to", type=FOLDER, help="Folder of the pages [default: docs/components].")
def docs(check: bool, to: Path | None) -> None:
    """Write docs/components from the registry, and the README's file tree from the files."""
    from zoo.component_docs import check_pages, check_readme_tree, write_pages, write_readme_tree

    if check:
        check_pages(to)
        if to is None:
            check_readme_tree()
        click.echo("docs/components and the README's file tree are up to date")
    else:
        for path in write_pages(to):
            click.echo(f"wrote {path}")
        if to is None:
            write_readme_tree()


if __name__ == "__main__":
    main()
