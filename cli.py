"""The command line `zoo`; a command of `zoo/cli_*.py` parses, calls the package, prints.

What computes is imported inside the commands: help and lists take a fraction of a second.
"""

from __future__ import annotations

import click

from zoo import cli_components, cli_data, cli_recipes, cli_results
from zoo.cli_options import ZooGroup

COMMANDS = (
    cli_components.list_command,
    cli_components.show,
    cli_components.new,
    cli_recipes.validate,
    cli_recipes.plan,
    cli_recipes.explain,
    cli_recipes.probe,
    cli_recipes.run,
    cli_results.status,
    cli_data.simulate,
    cli_results.generate,
    cli_results.report,
    cli_results.compare,
    cli_data.check,
    cli_components.docs,
)


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


for command in COMMANDS:
    main.add_command(command)

if __name__ == "__main__":
    main()
