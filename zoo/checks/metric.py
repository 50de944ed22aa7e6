"""What every metric must pass: the battery for our metrics and for those of others.

>>> from zoo.checks.metric import check
>>> check(MyMetric)  # raises AssertionError that names the promises broken
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, replace
from functools import cache
from typing import Any

import numpy as np

from zoo.checks import _check
from zoo.checks._case import Case
from zoo.contracts import Metric, MetricInputs, MetricResult, TowerOutput
from zoo.metrics._classes import FIELDS
from zoo.stages._gap_rows import Scored, rows_at
from zoo.stages._gap_states import products
from zoo.stages.gap import FEWEST
from zoo.statistics import Units

#: What a metric may name in ``needs``, and the `MetricInputs` fields behind each name.
NEEDS = {"label": ("label",), **FIELDS}
PER_TRIAL = ("trial_id", "subject", "run", "image_id", "label", "logits", "generated")
PER_TRIAL += ("judge_logits", "similarity", "target")
#: What a row of ``MetricResult.table`` holds.
ROW = ("measure", "layer", "when", "value", "ci95", "n", "unit", "split", "definition")
#: Side of the example's pictures: no smaller than any window that a metric slides over them.
SIDE = 16
#: Trials of which the example of a gap is made, at most: its jackknife takes time by their square.
MOST_COMPARED = 240


def example(
    *, perfect: bool, n: int = 240, k: int = 1, n_classes: int = 4, seed: int = 0
) -> MetricInputs:
    """Return synthetic inputs with every field set.

    Parameters
    ----------
    perfect : bool
        True: scores name the class and the picture seen, generated pictures are those seen, which
        are not the training images. False: all scores are drawn without regard to what was seen
        or to each other, generated pictures copy training images.
    n, k, n_classes : int
        Trials, pictures per trial, classes.
    seed : int
    """
    rng = np.random.default_rng(seed)
    label = np.arange(n) % n_classes
    train = rng.integers(0, 256, size=(12, 3, SIDE, SIDE), dtype=np.uint8)
    seen = rng.integers(0, 256, size=(n, 3, SIDE, SIDE), dtype=np.uint8)
    seen_features = rng.normal(size=(n, 8)).astype(np.float32)
    if perfect:
        named, drawn = label, np.repeat(label[:, None], k, axis=1)
        pictures = np.repeat(seen[:, None], k, axis=1)
        features = np.repeat(seen_features[:, None], k, axis=1)
    else:
        named, drawn = rng.permutation(label), rng.integers(n_classes, size=(n, k))
        pictures = train[rng.integers(len(train), size=(n, k))]
        features = rng.normal(1, 1, size=(n, k, 8)).astype(np.float32)
    one_hot = np.eye(n_classes, dtype=np.float32)
    own = np.arange(n) if perfect else rng.permutation(n)
    return MetricInputs(
        trial_id=np.array([f"t{i:04d}" for i in rng.permutation(n)]),
        subject=np.zeros(n, dtype=np.int64),
        run=np.arange(n) // max(1, n // 3),
        image_id=np.array([f"image{i}" for i in range(n)]),
        label=label,
        class_names=tuple(f"class {c}" for c in range(n_classes)),
        trained_classes=tuple(range(n_classes)),
        split="test",
        seed=seed,
        logits=4 * one_hot[named] + rng.normal(0, 0.1, (n, n_classes)).astype(np.float32),
        similarity=np.eye(n, dtype=np.float32)[own] + rng.normal(0, 0.1, (n, n)),
        candidates=np.array([f"image{i}" for i in range(n)]),
        tower="an example",
        generated=pictures,
        seen=seen,
        target=np.arange(n),
        features=TowerOutput(
            name="example", definition="an example", drawn=features, seen=seen_features
        ),
        scores=TowerOutput(
            name="example",
            definition="an example",
            drawn=4 * one_hot[drawn] + rng.normal(0, 0.1, (n, k, n_classes)).astype(np.float32),
            seen=4 * one_hot[label] + rng.normal(0, 0.1, (n, n_classes)).astype(np.float32),
        ),
        judge_logits=4 * one_hot[drawn],
        judge={
            "kind": "example",
            "definition": "an example",
            "tested_on": "examples",
            "accuracy": 1.0,
            "n": 10,
        },
        train_images=train,
        gap=_gap(perfect, min(n, MOST_COMPARED), n_classes, seed),
    )


@cache
def _gap(perfect: bool, n: int, n_classes: int, seed: int) -> dict[str, Any]:
    """Return what the stage gap would find: states that are those of text, or lie elsewhere."""
    if n < FEWEST:
        return {"reason": f"not computed: needs {FEWEST} trials, there are {n}"}
    rng = np.random.default_rng(seed)
    of_class = np.arange(n) % n_classes
    text = rng.normal(size=(n_classes, 2, 3))
    before = rng.normal(2, 1, size=(n, 2, 3))
    after = text[of_class] + rng.normal(0, 0.1, (n, 2, 3)) if perfect else before
    scored = Scored(
        class_N=of_class,
        label_N=of_class,
        label_P=of_class,
        units=Units(np.arange(n), "trial"),
        split="test",
        text="an example",
        seed=seed,
    )
    states = {"before": before, "after": after}
    found = {when: products(made, made, text) for when, made in states.items()}
    rows = [row for when in found for row in rows_at(None, found[when], scored, when, None)]
    return {"text_encoder": "an example", "rows": rows}


def take(inputs: MetricInputs, rows: np.ndarray) -> MetricInputs:
    """Return `inputs` with these trials, in this order."""
    towers = {
        name: replace(getattr(inputs, name), drawn=getattr(inputs, name).drawn[rows])
        for name in ("features", "scores")
    }
    return replace(inputs, **towers, **{name: getattr(inputs, name)[rows] for name in PER_TRIAL})


def build(case: Case) -> Metric:
    """Return the metric under test."""
    return case.cls(**case.params)


def mark_of(metric: Metric) -> dict[str, Any]:
    """Return the metric's mark; it has to be a whole one."""
    kind, mark = type(metric).__component__  # type: ignore[attr-defined]
    assert kind == "metric", f"marked as a {kind}"
    for key, of in [("needs", tuple), ("level", str), ("higher_is_better", bool), ("min_n", int)]:
        assert isinstance(mark.get(key), of), f"@component('metric', {key}=...) must be a {of}"
    assert set(mark["needs"]) <= set(NEEDS), f"needs {mark['needs']}, known are {list(NEEDS)}"
    return mark


def mark_is_whole(case: Case) -> None:
    """The mark names needs, level, direction and the fewest trials."""
    mark_of(build(case))


def result_is_whole(case: Case) -> None:
    """A value comes with definition, n, unit, split and an interval that holds it, all finite."""
    metric = build(case)
    for k in (1, 3):
        result = metric.compute(example(perfect=False, k=k))
        assert result.value is not None, result
        assert np.isfinite(result.value), result
        assert result.n == 240, f"n counts trials, not pictures: {result.n} with k={k}"
        assert result.definition, result
        assert result.unit, result
        assert result.split == "test", result
        assert result.reason is None, result
        if result.ci95 is not None:
            low, high = result.ci95
            assert low - 1e-9 <= result.value <= high + 1e-9, result
        if result.per_sample is not None:
            assert result.per_sample.shape == (240,), result.per_sample.shape
            assert np.isfinite(result.per_sample).all()
        for row in result.table or ():
            assert tuple(row) == ROW, f"a row of the table has {tuple(row)}, not {ROW}"
            assert json.loads(json.dumps(row, allow_nan=False)) == row, row
        if result.pairs is not None:
            own = result.pairs.scores_NT[np.arange(240), result.pairs.target_N]
            assert result.pairs.of in ("class", "image"), result.pairs.of
            assert np.allclose(own, result.per_sample, atol=1e-5), "pairs disagree with per_sample"


def perfect_is_best(case: Case) -> None:
    """Perfect inputs score better than inputs without information."""
    metric = build(case)
    best, worse = (metric.compute(example(perfect=p)).value for p in (True, False))
    better = best > worse if mark_of(metric)["higher_is_better"] else best < worse
    assert better, f"perfect {best}, without information {worse}"


def permuted_is_at_chance(case: Case) -> None:
    """Without information the value is what the metric itself calls chance."""
    metric = build(case)
    results = [metric.compute(example(perfect=False, seed=seed)) for seed in range(8)]
    if results[0].chance is not None:
        mean = np.mean([result.value for result in results])
        assert abs(mean - results[0].chance) < 0.05, f"{mean:.3f}, chance {results[0].chance:.3f}"


def order_does_not_matter(case: Case) -> None:
    """Trials in another order give the same figure and interval, and per_sample follows."""
    metric = build(case)
    inputs = example(perfect=False)
    order = np.random.default_rng(1).permutation(len(inputs.trial_id))
    one, other = metric.compute(inputs), metric.compute(take(inputs, order))
    assert np.isclose(one.value, other.value), (one.value, other.value)
    assert (one.ci95 is None) == (other.ci95 is None)
    if one.ci95 is not None:
        assert np.allclose(one.ci95, other.ci95), (one.ci95, other.ci95)
    if one.per_sample is not None:
        assert np.allclose(one.per_sample[order], other.per_sample)


def repeats(case: Case) -> None:
    """The same inputs give the same result twice and are left as they were."""
    metric = build(case)
    inputs, untouched = example(perfect=False), example(perfect=False)
    one, other = metric.compute(inputs), metric.compute(inputs)
    assert one.value == other.value
    assert one.ci95 == other.ci95
    for field in fields(inputs):
        before, after = getattr(untouched, field.name), getattr(inputs, field.name)
        if isinstance(before, TowerOutput):
            before, after = ((tower.drawn, tower.seen) for tower in (before, after))
            assert all(map(np.array_equal, before, after)), f"compute changed inputs.{field.name}"
        else:
            assert np.array_equal(before, after), f"compute changed inputs.{field.name}"


def what_is_missing_is_said(case: Case) -> None:
    """Without a field it needs, a metric gives the reason, no figure and no exception."""
    metric = build(case)
    for need in mark_of(metric)["needs"]:
        if need != "label":
            blank = dict.fromkeys(NEEDS[need])
            _must_refuse(metric.compute(replace(example(perfect=False), **blank)), need)
    if {"features", "scores"} & {*mark_of(metric)["needs"]}:
        why = "needs a tower that is not there"
        without = replace(example(perfect=False), features=None, scores=None, tower_missing=why)
        _must_refuse(metric.compute(without), "a tower that is not there")
        assert why in metric.compute(without).reason
    if "judge" in mark_of(metric)["needs"]:
        refused = {"reason": "not computed: needs a judge that knows zebras"}
        result = metric.compute(replace(example(perfect=False), judge=refused, judge_logits=None))
        assert result.reason == refused["reason"], result.reason
    if "gap" in mark_of(metric)["needs"]:
        refused = {"reason": "not computed: needs 4 test trials of two classes"}
        result = metric.compute(replace(example(perfect=False), gap=refused))
        assert result.reason == refused["reason"], result.reason
        _must_refuse(metric.compute(replace(example(perfect=False), gap={"rows": []})), "no rows")


def too_few_trials_are_refused(case: Case) -> None:
    """Fewer trials than ``min_n`` give a reason."""
    metric = build(case)
    few = take(example(perfect=False), np.arange(mark_of(metric)["min_n"] - 1))
    _must_refuse(metric.compute(few), "too few trials")


def degenerate_inputs_give_no_nan(case: Case) -> None:
    """One class only, classes never trained, a single trial: a finite figure or a reason."""
    metric = build(case)
    whole = example(perfect=False)
    cases = {
        "one class shown": take(whole, np.flatnonzero(whole.label == 0)),
        "some classes shown": take(whole, np.flatnonzero(whole.label < 2)),
        "one class trained": replace(whole, trained_classes=(0,)),
        "a class never trained": replace(whole, trained_classes=(0, 1, 2)),
        "one trial": take(whole, np.arange(1)),
        "scores not finite": replace(whole, logits=np.full_like(whole.logits, np.nan)),
        "constant scores": replace(whole, logits=np.zeros_like(whole.logits)),
        "similarities not finite": replace(
            whole, similarity=np.full_like(whole.similarity, np.nan)
        ),
        "constant similarities": replace(whole, similarity=np.zeros_like(whole.similarity)),
        "constant features": replace(whole, features=_constant(whole.features)),
        "constant class scores": replace(whole, scores=_constant(whole.scores)),
        "flat pictures": replace(
            whole, generated=np.zeros_like(whole.generated), seen=np.zeros_like(whole.seen)
        ),
    }
    for case, inputs in cases.items():
        result = metric.compute(inputs)
        if result.value is None:
            _must_refuse(result, case)
        else:
            numbers = [result.value, *(result.ci95 or ())]
            assert np.isfinite(numbers).all(), f"{case}: {result}"


def _constant(tower: TowerOutput) -> TowerOutput:
    return replace(tower, drawn=np.zeros_like(tower.drawn), seen=np.zeros_like(tower.seen))


def _must_refuse(result: MetricResult, case: str) -> None:
    assert result.value is None, f"{case}: {result.value}"
    assert result.ci95 is None, f"{case}: interval without a value"
    assert (result.reason or "").startswith("not computed: "), f"{case}: reason {result.reason!r}"


#: Every promise, in the order in which a newcomer should read them.
CHECKS: tuple[Callable[[Case], None], ...] = (
    mark_is_whole,
    result_is_whole,
    perfect_is_best,
    permuted_is_at_chance,
    order_does_not_matter,
    repeats,
    what_is_missing_is_said,
    too_few_trials_are_refused,
    degenerate_inputs_give_no_nan,
)


def check(metric: str | type, **params: Any) -> None:
    """Run every check on a metric, by name or class, built with `params`.

    Raises
    ------
    AssertionError
        Names every promise that is broken, and how.
    """
    _check("metric", metric, params)
