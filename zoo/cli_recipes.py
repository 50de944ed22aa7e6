"""Commands about a recipe: validate, plan, explain, probe, run."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from registry import UserError
from zoo.cli_options import (
    COUNT,
    ZooCommand,
    print_json,
    recipe_options,
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


@click.command(cls=ZooCommand)
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
        print_json({"valid": False, "errors": str(error).splitlines()})
        sys.exit(2)
    from zoo.recipe.replaced import replaced_text

    facts = {
        "valid": True,
        "recipe": recipe.name,
        "cells": len(recipe.cells),
        "scale": recipe.scale,
        "data": recipe.data,
        "weights": recipe.weights,
        "stand_ins": list(recipe.stand_ins),
        "replaced": replaced_text(recipe.cells),
        "deep": deep,
    }
    if as_json:
        print_json(facts)
        return
    click.echo(
        f"{recipe.name} is valid{' (built and tried tiny)' if deep else ''}: "
        f"{len(recipe.cells)} cell{'s' if len(recipe.cells) != 1 else ''}, "
        f"{recipe.data} data, {recipe.weights} weights"
    )
    for line in [*(STAND_INS[one] for one in recipe.stand_ins), *facts["replaced"]]:
        click.echo(f"  {line}")


@click.command(cls=ZooCommand)
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
    from zoo.engine.forecast.plan import forecast_plan
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


@click.command(cls=ZooCommand)
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
        print_json(found)
    else:
        click.echo(explain_text(found))


@click.command(cls=ZooCommand)
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
        print_json(found.to_json())
    else:
        click.echo(probe_text(found))


@click.command(cls=ZooCommand)
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
        print_json({"folder": str(result.folder), "failed": failed, **results})
    else:
        click.echo(results_text(results))
        click.echo(result.folder / "report.html")
    if result.failures:
        sys.exit(1)
