"""`simulate`: files of a data set's exact format, made up, for tests, demonstrations and dry runs.

One module per data set, with ``SMALL`` and ``FULL`` (how much is written) and ``write``.
"""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Callable
from pathlib import Path

from registry import UserError, did_you_mean


def simulations() -> list[str]:
    """Return the data sets whose files can be made up; each is a module in this folder."""
    return sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py"))


def simulate(
    dataset: str, out: Path, *, full_size: bool, seed: int, say: Callable[[str], None]
) -> None:
    """Write a folder that ``--data-root`` takes, marked by ``SIMULATED.json``.

    Parameters
    ----------
    dataset : str
        One of `simulations`.
    out : Path
        A new or empty folder.
    full_size : bool
        As many trials as the real set has; else a small one.
    seed : int
        The same seed gives the same content.
    say : callable
        Told what will be written before anything is.

    Raises
    ------
    UserError
        There is no such simulation, `out` is not empty, or the disk is too full.
    """
    if dataset not in simulations():
        hint = did_you_mean(dataset, simulations())
        raise UserError(
            f"files of data set {dataset!r} cannot be simulated. {hint}These can: "
            f"{', '.join(simulations())}"
        )
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} is not an empty folder; name a new one, nothing is overwritten")
    module = importlib.import_module(f"zoo.simulate.{dataset}")
    size = module.FULL if full_size else module.SMALL
    out.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(out).free
    say(
        f"{size.summary}: {_gb(size.bytes_written)} when done, {_gb(size.bytes_needed)} on the way;"
        f" {_gb(free)} are free in {out}"
    )
    if free < size.bytes_needed:
        raise UserError(
            f"{out} has {_gb(free)} of free disk, {_gb(size.bytes_needed)} are needed; "
            "name a folder on a larger disk"
        )
    module.write(out, size, seed=seed)


def _gb(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:.1f} GB"
