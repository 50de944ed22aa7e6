"""What the tests of the text gap share: made-up trials to score, rows by what they say."""

from __future__ import annotations

import numpy as np

from zoo.stages._gap_rows import Scored
from zoo.statistics import Units


def scored(n: int, **changes) -> Scored:
    """Return what rows are made with: n trials of two classes."""
    label = np.arange(n) % 2
    given = {
        "class_N": label, "label_N": label, "label_P": label,
        "units": Units(np.arange(n), "trial"), "split": "test", "text": "an example", "seed": 0,
    }  # fmt: skip
    return Scored(**{**given, **changes})


def by_name(rows, when="after"):
    """Return rows of one time by measure and layer."""
    return {(r["measure"], r["layer"]): r for r in rows if r["when"] == when}
