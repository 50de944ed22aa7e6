"""The command line, called in this process."""

from __future__ import annotations

from click.testing import CliRunner, Result

import cli


def zoo(*args: object) -> Result:
    """Call `zoo` with these words."""
    return CliRunner().invoke(cli.main, [str(arg) for arg in args])
