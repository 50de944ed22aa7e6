"""Commands about components: list, show, new, docs."""

from __future__ import annotations

from pathlib import Path

import click

from zoo.cli_options import (
    COUNT,
    FOLDER,
    ZooCommand,
    json_option,
    plugin_option,
    print_json,
)


@click.command("list", cls=ZooCommand)
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
        print_json(list_json(kind, pattern))
    else:
        click.echo(list_text(kind, pattern))


@click.command(cls=ZooCommand)
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
        print_json(facts)
    else:
        click.echo(show_text(facts))


@click.command(cls=ZooCommand)
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


@click.command(cls=ZooCommand)
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
