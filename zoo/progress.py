"""Progress bars: one line per long piece of work, quiet enough for a log file."""

from __future__ import annotations

import sys

from tqdm import tqdm


def bar(
    description: str,
    total: int | None,
    *,
    unit: str = "step",
    initial: int = 0,
    delay: float = 0,
    shown: bool = True,
) -> tqdm:
    """Return a tqdm bar that shows elapsed time, time left and whatever `set_postfix` gives it.

    On a terminal it refreshes at once; in a log file it writes a line every 20 seconds. Work done
    within `delay` seconds shows none. The environment variable ``TQDM_DISABLE`` silences all.
    """
    return tqdm(
        total=total,
        desc=description,
        unit=unit,
        initial=initial,
        delay=delay,
        mininterval=0.2 if sys.stderr.isatty() else 20,
        dynamic_ncols=True,
        leave=True,
        **({} if shown else {"disable": True}),  # left out, tqdm's environment variable counts
    )
