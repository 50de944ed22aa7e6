"""What the class metrics share: whether they can be computed, and which class was decoded."""

from __future__ import annotations

import numpy as np

from zoo.contracts import Metric, MetricInputs, MetricResult, Pairs


def unmet(metric: Metric, inputs: MetricInputs) -> str | None:
    """Return why `metric` cannot be computed from `inputs`, or None where it can.

    Reads ``needs`` and ``min_n`` from the metric's mark: every field named must be there, there
    must be enough trials, and where the class seen counts, it must have been trained.
    """
    _, mark = metric.__component__  # type: ignore[attr-defined]
    needs, n = mark["needs"], len(inputs.trial_id)
    if "label" in needs and (why := _untrained(inputs)):
        return why
    if "judge" in needs and inputs.judge is not None and "reason" in inputs.judge:
        return inputs.judge["reason"].removeprefix("not computed: ")
    if "gap" in needs and inputs.gap is not None and "reason" in inputs.gap:
        return inputs.gap["reason"].removeprefix("not computed: ")
    if {"features", "scores"} & {*needs} and inputs.tower_missing:
        return inputs.tower_missing
    for name, fields in FIELDS.items():
        if name in needs and any(getattr(inputs, field) is None for field in fields):
            return f"needs {WORDS[name]}"
    if n < mark["min_n"]:
        return f"needs at least {mark['min_n']} {inputs.split} trials, there are {n}"
    if "logits" in needs and not np.isfinite(inputs.logits).all():
        return "the encoder's class scores are not finite"
    if "similarity" in needs and not np.isfinite(inputs.similarity).all():
        return "the similarities of EEG and pictures are not finite"
    if "judge" in needs and not np.isfinite(inputs.judge_logits).all():
        return "the judge's class scores are not finite"
    for name in {"features", "scores"} & {*needs}:
        tower = getattr(inputs, name)
        # Row by row: all at once could be as large as the features.
        if not all(np.isfinite(row).all() for row in (*tower.drawn, *tower.seen)):
            return f"the {name} by {tower.name} are not finite"
    if len(inputs.trained_classes) < 2 and ("logits" in needs or "label" in needs):
        return f"needs at least two trained classes, there is {len(inputs.trained_classes)}"
    return None


#: What a name in ``needs`` asks of `MetricInputs`, and how to say it.
FIELDS = {
    "logits": ("logits",),
    "similarity": ("similarity", "candidates"),
    "generated": ("generated",),
    "seen": ("seen", "target"),
    "features": ("features", "target"),
    "scores": ("scores", "target"),
    "judge": ("judge", "judge_logits"),
    "train_images": ("train_images",),
    "gap": ("gap",),
}
WORDS = {
    "logits": "the encoder's class scores, which this control does not have",
    "similarity": "similarities of EEG and pictures, which align_image makes",
    "generated": "generated pictures",
    "seen": "the pictures that were seen",
    "features": "features of the pictures drawn and seen",
    "scores": "class scores of the pictures drawn and seen",
    "judge": "a judge of pictures",
    "train_images": "the training images",
    "gap": "what the stage gap measures, on a cell's own EEG at the end of training",
}


def _untrained(inputs: MetricInputs) -> str | None:
    unknown = sorted(set(inputs.label.tolist()) - set(inputs.trained_classes))
    if not unknown:
        return None
    names = ", ".join(inputs.class_names[c] for c in unknown[:3])
    more = f" and {len(unknown) - 3} more" if len(unknown) > 3 else ""
    return f"{inputs.split} classes were never trained: {names}{more}"


def not_computed(inputs: MetricInputs, definition: str, why: str) -> MetricResult:
    """Return a result without a value that says why."""
    return MetricResult(
        value=None,
        definition=definition,
        n=len(inputs.trial_id),
        split=inputs.split,
        reason=f"not computed: {why}",
    )


def decoded(inputs: MetricInputs) -> np.ndarray:
    """Return the trained class with the highest logit of each trial, (N,) int64."""
    trained = np.asarray(inputs.trained_classes)
    assert trained.max() < inputs.logits.shape[1], (trained.max(), inputs.logits.shape)
    return trained[inputs.logits[:, trained].argmax(axis=1)]


def named_pairs(inputs: MetricInputs, named_NK: np.ndarray) -> Pairs:
    """Return how often each class is named for each trial, against the class seen."""
    counts_NT = np.zeros((len(named_NK), len(inputs.class_names)))
    np.add.at(counts_NT, (np.arange(len(named_NK))[:, None], named_NK), 1)
    return Pairs(counts_NT / named_NK.shape[1], inputs.label, of="class")


def seen_by_judge(inputs: MetricInputs) -> np.ndarray:
    """Return the class that the judge sees in each generated picture, (N, K) int64."""
    assert inputs.judge_logits.shape[2] == len(inputs.class_names), inputs.judge_logits.shape
    return inputs.judge_logits.argmax(axis=2)


def about_the_judge(judge: dict | None) -> str:
    """Return the sentence about the judge that belongs in a definition."""
    if judge is None or "reason" in judge:
        return "There is no judge here."
    return (
        f"The judge never saw a generated picture: it is {judge['definition']}; its accuracy on "
        f"{judge['tested_on']} is {judge['accuracy']:.3f} (n = {judge['n']})."
    )
