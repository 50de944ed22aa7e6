"""Stage prepare: a data set's recordings become one array of trials and a table beside it.

Publishes ``eeg.npy`` (N, C, T) float32, un-normalised; ``trials.csv`` with the columns of
`zoo.contracts.TRIAL_COLUMNS`, row i for trial i, and with columns of the data set's own;
``signal.json``; ``notes.json``, a list of sentences that belong beside every result;
``pairing.json``, whether a trial's picture is known; ``repetitions.npy`` (N,) where trials are
means over repetitions.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from zoo.contracts import TRIAL_COLUMNS, DataError, Trials
from zoo.registries import DATASETS
from zoo.stages._context import Context, Inputs

#: Trials looked at together: few, so that the check needs no memory to speak of.
CHUNK = 64


def run(inputs: Inputs, params: dict[str, Any], out: Path, context: Context) -> None:  # noqa: ARG001
    """Load the data set and write its trials.

    Parameters
    ----------
    inputs : mapping
        Empty.
    params : dict
        ``dataset`` (name), ``params`` (those that shape the signal), ``fingerprint`` (of the
        source files; in the key only).
    out : Path
    context : Context
    """
    dataset = DATASETS.create(params["dataset"], **params["params"])
    trials = dataset.load(context.data_root, context.image_root)
    check_trials(trials, params["dataset"])
    np.save(out / "eeg.npy", trials.eeg, allow_pickle=False)
    trials.table.to_csv(out / "trials.csv", index=False)
    (out / "signal.json").write_text(json.dumps(trials.signal.to_json(), indent=1))
    (out / "notes.json").write_text(json.dumps(list(trials.notes), indent=1))
    (out / "pairing.json").write_text(json.dumps({"image_known": trials.image_known}))
    if trials.repetitions is not None:
        assert trials.repetitions.shape == (len(trials.table),), trials.repetitions.shape
        np.save(out / "repetitions.npy", trials.repetitions, allow_pickle=False)


def check_trials(trials: Trials, name: str) -> None:
    """Raise where the array cannot be trained on, assert what a data set must keep.

    Raises
    ------
    DataError
        If there is no trial, or a sample is not a number.
    """
    eeg, table, signal = trials.eeg, trials.table, trials.signal
    assert tuple(table.columns)[: len(TRIAL_COLUMNS)] == TRIAL_COLUMNS, tuple(table.columns)
    assert table.trial_id.is_unique
    assert eeg.dtype == np.float32
    assert eeg.shape == (len(table), signal.n_chans, signal.n_times), (eeg.shape, signal)
    assert table.label.between(0, len(signal.class_names) - 1).all()
    if len(eeg) == 0:
        raise DataError(f"data set {name!r} holds no trial")
    parts = [eeg[start : start + CHUNK] for start in range(0, len(eeg), CHUNK)]
    bad = np.flatnonzero(np.concatenate([~np.isfinite(part).all(axis=(1, 2)) for part in parts]))
    if len(bad):
        first = table.trial_id.iloc[bad[0]]
        raise DataError(
            f"data set {name!r}: {len(bad)} of {len(eeg)} trials hold samples that are not "
            f"numbers (the first is {first}); repair the recording or leave its subject out"
        )
