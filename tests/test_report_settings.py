"""What a grid's report is made of: its axes, the figures of its settings, their titles."""

import numpy as np
import pandas as pd
from report_grid_toys import PATHS
from report_toys import entry, figure

from zoo.recipe import load_recipe
from zoo.report.axes import setting_names, varying_axes
from zoo.report.estimate import estimate
from zoo.report.recipes import recipes_of_cells
from zoo.report.tables import over_cells


def axes(*coords):
    return [(axis.title, axis.values) for axis in varying_axes(coords)]


def test_axes_are_what_varies_leaf_by_leaf():
    def block(name, **params):
        return {"conditioner": {"name": name, "params": params}}

    # A parameter that the name decides is no axis, nor is what does not vary.
    assert axes(block("a", k=1, n=3), block("b", k=2, n=3)) == [("conditioner", ("a", "b"))]
    # One that another component has, too, is an axis of its own.
    found = axes(block("a", k=1), block("a", k=2), block("b", k=1), block("b", k=2))
    assert found == [("conditioner", ("a", "a", "b", "b")), ("k", ("1", "2", "1", "2"))]
    # One that only some have belongs to the name.
    assert axes(block("a", k=1), block("a", k=2), block("b")) == [
        ("conditioner", ("a, k 1", "a, k 2", "b"))
    ]
    # What moves together is one axis; two parameters of one name are told apart.
    assert axes({"dataset.params.subject": 1, "dataset.params.test": [1]},
                {"dataset.params.subject": 2, "dataset.params.test": [2]}) == [
        ("subject", ("1", "2"))]  # fmt: skip
    two = [{"encoder.train.lr": a, "conditioner.train.lr": b} for a in (0.1, 0.2) for b in (1, 2)]
    assert [title for title, _ in axes(*two)] == ["encoder lr", "conditioner lr"]


def test_rates_are_an_axis_only_where_they_vary_by_themselves():
    follows = [{"encoder": {"name": n, "train": {"lr": r}}} for n, r in (("a", 1.0), ("b", 2.0))]
    assert axes(*follows) == [("encoder", ("a", "b"))]
    free = [{"encoder.name": n, "encoder.train.lr": r} for n in "ab" for r in (0.1, 0.2)]
    assert [title for title, _ in axes(*free)] == ["encoder", "lr"]


def test_subjects_are_no_quantity():
    by = {n: varying_axes([{f"dataset.params.{n}": k} for k in (1, 2)]) for n in ("subject", "k")}
    assert by["subject"][0].numbers is None
    assert by["k"][0].numbers == (1.0, 2.0)


def scores_of(values, n=60):
    """Scores by trial whose mean is each seed's value."""
    tables = []
    for seed, value in enumerate(values):
        trials = [f"t{i}" for i in range(n)]
        table = pd.DataFrame({"trial_id": trials, "image_id": trials, "cluster": trials})
        tables.append(table.assign(score=np.arange(n) < round(n * value), seed=seed))
    return pd.concat(tables).assign(score=lambda t: t["score"].astype(float))


def test_intervals_over_seeds_are_wider_where_seeds_differ():
    def width(values):
        found = estimate([figure(v) for v in values], scores_of(values))
        assert found.how == "over seeds x trials"
        assert found.ci95[0] < found.value < found.ci95[1]
        return found.ci95[1] - found.ci95[0]

    assert width([0.1, 0.3, 0.5, 0.7, 0.9]) > 1.5 * width([0.5] * 5)


def test_few_seeds_are_not_resampled():
    three = estimate([figure(v) for v in (0.4, 0.5, 0.6)], scores_of((0.4, 0.5, 0.6)))
    assert three.how == "over trials of these trainings"
    assert three.ci95 is not None
    without = estimate([figure(v) for v in (0.4, 0.5, 0.6)], None)
    assert (without.ci95, without.how) == (None, "fewer than 5 seeds and no scores by trial")
    assert estimate([figure(0.1 * k) for k in range(5)], None).how == "over seeds alone"
    # Scores that are not what the value is the mean of give no interval.
    other = estimate([figure(v) for v in (0.4, 0.5, 0.6)], scores_of((0.1, 0.5, 0.6)))
    assert other.ci95 is None


def test_blocks_are_told_by_their_values():
    coords = {"conditioner": PATHS[0]}
    cells = [entry(None, cell=c, coords=coords) for c in "ab"]
    title = over_cells(cells)["cells"][0][1]
    assert title == "conditioner: clip_text, text_encoder trained, lr 0.001"


def names_of(recipe):
    """The names of a shipped recipe's settings, from what its run folder would keep."""
    found = load_recipe(recipe)
    coords = [{k: v for k, v in cell.coords.items() if k != "seed"} for cell in found.cells]
    entries = [{"coords": cell.coords} for cell in found.cells]
    recipes = recipes_of_cells(found.resolved, entries)
    return setting_names(varying_axes(coords, recipes), len(coords))


def test_transfers_are_named_by_where_they_start():
    names = names_of("cross_subject")
    assert names[:3] == [
        f"subjects 2, limit 60, {start}"
        for start in ("from scratch", "from subject 1", "from subject 1, 0 steps")
    ]
    starts = ("from scratch", "from all subjects, 0 steps", "from the other subjects, 0 steps")
    assert names_of("subjects") == [
        f"subjects {subject}, {start}" for subject in range(1, 7) for start in starts
    ]


def test_starts_are_as_short_as_tells_them_apart():
    def starts(*given):
        (found,) = axes(*({"encoder.train": one} for one in given))
        assert found[0] == "start"
        return found[1]

    def source(**changes):
        return {"init_from": {f"dataset.params.{k}": v for k, v in changes.items()}}

    # What all sources share is left out, but not whose they are.
    one, two = source(subjects=[1], limit=None), source(subjects=[1, 2], limit=None)
    assert starts({"init_from": None}, one, two) == (
        "from scratch", "from subject 1", "from subjects 1 2")  # fmt: skip
    other = source(subjects=[1], limit=5)
    assert starts(one, other) == ("from subject 1, limit none", "from subject 1, limit 5")
    # 0 steps are part of the start; other numbers of steps are an axis.
    assert starts(one, {**one, "steps": 0}) == ("from subject 1", "from subject 1, 0 steps")
    varied = [title for title, _ in axes(*({"encoder.train": {**one, "steps": k}} for k in (1, 2)))]
    assert varied == ["steps"]
    blocks = ("encoder", "conditioner")
    both = [
        {f"{block}.train.init_from": one["init_from"] if block == k else None for block in blocks}
        for k in (*blocks, "neither")
    ]
    assert [title for title, _ in axes(*both)] == ["encoder start", "conditioner start"]


def test_a_source_may_have_several_of_what_a_setting_has_one():
    def names(*places):
        """Names of settings: session, start as written, start as arms set it."""
        coords = [{"dataset.params.session": s, "encoder.train.init_from": f} for s, f, _ in places]
        recipes = [
            {"dataset": {"params": {"session": s}}, "encoder": {"train": {"init_from": f}}}
            for s, _, f in places
        ]
        return setting_names(varying_axes(coords, recipes), len(places))

    def source(*sessions):
        return {"dataset.params.session": list(sessions)}

    def scratch(session):
        return session, None, None

    assert names(scratch(1), (1, source(3), source(3)), scratch(2)) == [
        "session 1, from scratch", "session 1, from session 3", "session 2, from scratch"
    ]  # fmt: skip
    pooled = [(session, source(0, "b"), source(0, "b")) for session in (0, "b")]
    assert names(scratch(0), *pooled)[1:] == [
        "session 0, from all sessions", "session b, from all sessions"
    ]  # fmt: skip
    # Arms have set a source of its own for each.
    others = [(1, source(9), source(2, 3)), (2, source(9), source(1, 3))]
    assert names(scratch(1), *others)[1:] == [
        "session 1, from the other sessions", "session 2, from the other sessions"
    ]  # fmt: skip
