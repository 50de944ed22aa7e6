"""Whether the test of a cell stands apart from what its weights depend on: verdict and reasons."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.engine.graph import CellPlan
from zoo.engine.store import Store

if TYPE_CHECKING:
    from zoo.stages._lineage import Lineage

#: From harmless to worthless.
VERDICTS = ("clean", "contested", "leaking")
#: What weights may know of the trials themselves, whatever their unit.
_TRIALS = ("trained on", "chosen on")
_PARTS = {"test_with_train": "training", "test_with_val": "validation"}


@dataclass(frozen=True)
class Finding:
    """Something of the test that training had, too.

    Parameters
    ----------
    verdict : {"contested", "leaking"}
    what : str
        "eeg", "image", "block", "run", "session", "subject": shared by the splits;
        "encoder trained on", "encoder chosen on" (trials), "encoder started from", "encoder
        chosen near" (units), the same of "conditioner": by weights that training started from;
        "undeclared": nobody can tell.
    share : float or None
        Of the test trials.
    sentence : str
    """

    verdict: str
    what: str
    share: float | None
    sentence: str


def leakage(cell: CellPlan, store: Store) -> dict[str, Any] | None:
    """Return what training had of the test of a cell; None where its trials were not selected.

    Parameters
    ----------
    cell : CellPlan
        Its encoder and its conditioner count as far as they are in the store.
    store : Store

    Returns
    -------
    dict
        ``unit`` (of independence, declared by the data set, or None), ``share`` (of the test
        trials whose unit training or validation had), ``verdict`` ("clean", "contested",
        "leaking"), ``sentence`` (the worst of it), ``findings`` (all of it, worst first, see
        `Finding`) and ``shares`` (unit -> pair of splits -> share).
    """
    if not store.valid(cell.select):
        return None
    folder = store.path(cell.select)
    about = json.loads((folder / "splits.json").read_text("utf-8"))
    unit, shares = about["independent"], about["shares"]
    own = shares.get(unit, {})
    share = max((own.get(pair, 0.0) for pair in _PARTS), default=0.0)
    findings = [*_of_eeg(about), *_of_unit(unit, shares), *_of_pictures(unit, shares)]
    findings += _of_weights(cell, store, unit, own)
    findings.sort(key=lambda finding: -VERDICTS.index(finding.verdict))
    return {
        "unit": unit,
        "share": share,
        "verdict": findings[0].verdict if findings else "clean",
        "sentence": findings[0].sentence if findings else _clean(unit),
        "findings": [asdict(finding) for finding in findings],
        "shares": shares,
    }


def _of_eeg(about: dict[str, Any]) -> Iterator[Finding]:
    for pair, part in _PARTS.items():
        share = about["shares"]["eeg"].get(pair, 0.0)
        if share:
            first = about["same_eeg"][pair][0]
            yield Finding(
                "leaking",
                "eeg",
                share,
                f"Leaking: the EEG of {percent(share)} of the test trials is, bit by bit, also "
                f"that of a trial of {part} (the first is {first}).",
            )


def _of_unit(unit: str | None, shares: dict[str, dict[str, float]]) -> Iterator[Finding]:
    if unit is None or unit not in shares:
        why = (
            "the data set does not say what training and test must not share (independent= in its "
            "mark)"
        )
        if unit is not None:  # images alone can be unknown
            why = "training and test must not share an image, and nobody knows which were shown"
        yield Finding("contested", "undeclared", None, f"Contested: {why}.")
        return
    for pair, part in _PARTS.items():
        share = shares[unit].get(pair, 0.0)
        if not share:
            continue
        said = (
            f"{percent(share)} of the test trials share their {unit}, which this data set declares "
            f"as its unit of independence, with {part}"
        )
        yield _judged(unit, unit, share, said, learned=part == "training")


def _judged(what: str, unit: str, share: float, said: str, *, learned: bool) -> Finding:
    """Return the finding for a shared unit: a picture learned is worse than time spent near."""
    if unit == "image" and learned:
        said = f"Leaking: {said}: a picture that was learned need not be decoded."
        return Finding("leaking", what, share, said)
    why = {
        "image": "a checkpoint may have been chosen for these very pictures.",
        "subject": "what is particular to a subject could decode them.",
    }
    probed = "nearness in time could decode them; `zoo probe` looks for it."
    return Finding("contested", what, share, f"Contested: {said}: {why.get(unit, probed)}")


def _of_pictures(unit: str | None, shares: dict[str, dict[str, float]]) -> Iterator[Finding]:
    """Yield the pictures that training showed, too, where the data set holds something else apart.

    They cost a decoder nothing, but what draws them may have learned them by heart.
    """
    share = shares.get("image", {}).get("test_with_train", 0.0)
    if share and unit != "image":
        said = f"Contested: {percent(share)} of the test trials show a picture that training showed"
        said += ", too: a picture that was learned need not be decoded."
        yield Finding("contested", "image", share, said)


def _of_weights(
    cell: CellPlan, store: Store, unit: str | None, own: dict[str, float]
) -> Iterator[Finding]:
    """Yield what the weights bring from other trainings; the conditioner's where they add to it."""
    from zoo.stages._lineage import Lineage

    told = {"trained on": 0.0, "chosen on": 0.0}  # of the units, what the splits share is known
    told["started from"] = own.get("test_with_train", 0.0)
    told["chosen near"] = own.get("test_with_val", 0.0)
    keys = {"encoder": cell.encode, "conditioner": cell.variants[0].condition}
    for who, key in keys.items():
        if key is None or not store.valid(key):
            continue
        found = _brought(Lineage.read(store.path(key)), store.path(cell.select))
        for near, on in (("started from", "trained on"), ("chosen near", "chosen on")):
            told[near] = max(told[near], found[on])  # a trial's own unit is no news
        for how, part in found.items():
            if part > told[how] and (own or how in _TRIALS):
                told[how] = part
                yield _brought_finding(who, how, part, unit)


def _brought(lineage: Lineage, select: Path) -> dict[str, float]:
    """Return the share of the test trials that weights know, by how they know them."""
    import numpy as np

    with np.load(select / "select.npz", allow_pickle=False) as stored:
        test = stored["split"] == "test"
        trial, unit = stored["trial_key"][test], stored["unit_key"][test]
    known = {
        "trained on": np.isin(trial, lineage.trained),
        "chosen on": np.isin(trial, lineage.chosen),
        "started from": np.isin(unit, lineage.trained_units),
        "chosen near": np.isin(unit, lineage.chosen_units),
    }
    return {how: float(mask.mean()) for how, mask in known.items()}


def _brought_finding(who: str, how: str, share: float, unit: str | None) -> Finding:
    what, some = f"{who} {how}", percent(share)
    if how == "trained on":
        said = f"Leaking: the {who} started from weights trained on {some} of these test trials."
        return Finding("leaking", what, share, said)
    if how == "chosen on":
        # A conditioner's last step is taken: what was chosen is an encoder that it learned from.
        whose = "the encoder's checkpoint" if who == "encoder" else f"a checkpoint behind the {who}"
        said = f"Leaking: {whose} was chosen on {some} of these test trials."
        return Finding("leaking", what, share, said)
    assert unit is not None
    done = "trained" if how == "started from" else "chosen"
    said = f"the {who} started from weights {done} on the {unit} of {some} of the test trials"
    return _judged(what, unit, share, said, learned=done == "trained")


def _clean(unit: str | None) -> str:
    return (
        f"Clean: no test trial shares its {unit}, which this data set declares as its unit of "
        "independence, with training or validation, and no weights were trained or chosen on one."
    )


def percent(share: float) -> str:
    """Return a share as text that never rounds something to nothing, or nearly all to all."""
    if 0 < share < 0.005:
        return "under 1 %"
    if 0.995 <= share < 1:
        return "over 99 %"
    return f"{100 * share:.0f} %"
