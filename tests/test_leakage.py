"""What training had of a test is found and named, through ``init_from`` too: real, tiny recipes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from leak_toys import INIT, SPLIT, ran, started_from, store
from recipe_toys import registered

from registry import component
from zoo.checks import dataset as battery
from zoo.checks._case import Case
from zoo.contracts import Trials
from zoo.datasets.pocket import Pocket
from zoo.engine.leakage import leakage
from zoo.engine.store import Store
from zoo.registries import DATASETS
from zoo.stages._lineage import Lineage
from zoo.stages._units import same_eeg

__all__ = ["ran", "store"]  # fixtures


# ---- recipes that break it, and what is said of them


def test_whole_blocks_held_out_are_clean(ran: Any, store: Store) -> None:
    found = leakage(ran()[1], store)
    assert (found["unit"], found["verdict"], found["share"]) == ("block", "clean", 0)
    assert found["findings"] == []
    assert found["sentence"].startswith("Clean: no test trial shares its block, which this data")
    assert found["shares"]["image"]["test_with_train"] == 0
    assert found["shares"]["subject"] == dict.fromkeys(
        ("test_with_train", "test_with_val", "val_with_train"), 1
    )


def test_a_block_design_is_contested(ran: Any, store: Store) -> None:
    found = leakage(ran("dataset.params.split=single", "encoder.train.steps=1")[1], store)
    assert (found["verdict"], found["share"]) == ("contested", 1)
    assert found["sentence"] == (
        "Contested: 100 % of the test trials share their block, which this data set declares as "
        "its unit of independence, with training: nearness in time could decode them; "
        "`zoo probe` looks for it."
    )


@pytest.mark.parametrize(
    ("start", "what", "sentence"),
    [
        (started_from('["2"]', "[]"), "encoder trained on",
         "Leaking: the encoder started from weights trained on 100 % of these test trials."),
        (started_from('["2"]', '["3"]'), "encoder chosen on",
         "Leaking: the encoder's checkpoint was chosen on 100 % of these test trials."),
    ],
)  # fmt: skip
@pytest.mark.parametrize("steps", [0, 1])
def test_weights_that_know_the_test_are_named(
    ran: Any, store: Store, start: str, what: str, sentence: str, steps: int
) -> None:
    plan, cell = ran(start, f"encoder.train.steps={steps}")
    found = leakage(cell, store)
    assert (found["verdict"], found["sentence"]) == ("leaking", sentence)
    assert [finding["what"] for finding in found["findings"]] == [what]
    assert found["share"] == 0, "the split itself is clean"
    record = json.loads((store.path(cell.encode) / "encode.json").read_text())
    here = 8 if steps else 0
    in_all = 16 if what == "encoder trained on" else 8
    assert record["depends_on"]["trained_on"] == {"here": here, "in_all": in_all}
    assert cell.encode in plan.upstream(cell.variants[0].condition)


def test_part_of_the_test_is_counted(ran: Any, store: Store) -> None:
    """The test is of single pictures; the encoder started from all trials of two of three runs."""
    start = started_from('["3"]', "[]")
    _, cell = ran("dataset.params.split=single", start)
    found = leakage(cell, store)
    with np.load(store.path(cell.select) / "select.npz") as stored:
        share = (stored["run"][stored["split"] == "test"] != "3").mean()
    assert 0 < share < 1
    (trained,) = [f for f in found["findings"] if f["what"] == "encoder trained on"]
    assert trained["share"] == share
    assert f"{share:.0%}".replace("%", " %") in trained["sentence"]
    assert [f["verdict"] for f in found["findings"]] == ["leaking", "contested", "contested"]


def test_another_subject_to_start_from_is_clean(ran: Any, store: Store) -> None:
    _, cell = ran(INIT.format("dataset.params.subjects: [2]"))
    assert leakage(cell, store)["verdict"] == "clean"
    assert len(Lineage.read(store.path(cell.encode)).trained) == 16


def test_a_block_that_weights_know_is_contested(ran: Any, store: Store) -> None:
    """The encoder started from a few trials of the test's run: they are not all that it tells."""
    few = SPLIT.format('["2"]', "[]") + ", dataset.params.limit: 4"
    found = leakage(ran(INIT.format(few))[1], store)
    share = {f["what"]: f["share"] for f in found["findings"]}
    assert 0 < share["encoder trained on"] < share["encoder started from"]
    said = found["findings"][1]
    assert said["verdict"] == "contested"
    assert said["sentence"].startswith(
        "Contested: the encoder started from weights trained on the block of "
    )


def test_a_conditioner_that_knows_the_test_is_named(ran: Any, store: Store) -> None:
    start = "conditioner.train.init_from={" + SPLIT.format('["2"]', "[]") + "}"
    found = leakage(ran(start)[1], store)
    assert found["sentence"] == (
        "Leaking: the conditioner started from weights trained on 100 % of these test trials."
    )


@component(
    "dataset", leakage="It copies test trials.", independent="block", needs_root=False,
    per_subject=True, judge="pocket",
)  # fmt: skip
class Copying(Pocket):
    """Puts EEG of two test trials among the training trials."""

    def __init__(
        self,
        *,
        n_classes: int = 2,
        images_per_class: int = 12,
        blocks_per_class: int = 3,
        subjects: Sequence[int] | None = None,
        split: Mapping[str, Any] | None = None,
        normalise: str = "channel",
        limit: int | None = None,
        shuffle_labels: bool = False,
    ):
        super().__init__(
            n_classes=n_classes, images_per_class=images_per_class, subjects=subjects,
            blocks_per_class=blocks_per_class, split=split or "single",
        )  # fmt: skip

    def load(self, root: Path | None = None, image_root: Path | None = None) -> Trials:
        trials = super().load(root)
        row = {name: i for i, name in enumerate(trials.table.trial_id)}
        trials.eeg[row["s1_r1_0001"]] = trials.eeg[row["s1_r3_0002"]]
        trials.eeg[row["s1_r1_0006"]] = trials.eeg[row["s1_r3_0004"]]
        trials.eeg[row["s1_r2_0003"]] = trials.eeg[row["s1_r3_0005"]]
        return trials


def copying(**mark: Any) -> type:
    """Return the data set that copies, with more in its mark."""
    marked = type("Copying", (Copying,), {"__init__": Copying.__init__})
    facts = {
        "leakage": "It copies test trials.",
        "needs_root": False,
        "per_subject": True,
        "judge": "pocket",
    }
    return component("dataset", **facts, **mark)(marked)


HELD = "dataset.params.split={by: run, test: ['3'], val: ['2']}"
ONE = "dataset.params.subjects=[1]"


def test_a_data_set_that_copies_its_test_is_named(ran: Any, store: Store) -> None:
    with registered(DATASETS, "copying", Copying):
        found = leakage(ran("dataset.name=copying", HELD, ONE)[1], store)
    assert (found["verdict"], found["share"]) == ("leaking", 0)
    assert found["sentence"] == (
        "Leaking: the EEG of 25 % of the test trials is, bit by bit, also that of a trial of "
        "training (the first is s1_r3_0002)."
    )
    assert [finding["what"] for finding in found["findings"]] == ["eeg", "eeg"]
    assert found["findings"][1]["sentence"].endswith(
        "trial of validation (the first is s1_r3_0005)."
    )


def test_a_picture_learned_leaks_where_pictures_are_the_unit(ran: Any, store: Store) -> None:
    """The test is of subject 3; subject 1 saw the same pictures."""
    split = "dataset.params.split={by: subject, test: [3]}"
    with registered(DATASETS, "copying", copying(independent="image")):
        _, cell = ran("dataset.name=copying", split, "dataset.params.subjects=[1, 3]")
        found = leakage(cell, store)
    assert (found["unit"], found["verdict"], found["share"]) == ("image", "leaking", 1)
    assert found["sentence"] == (
        "Leaking: 100 % of the test trials share their image, which this data set declares as its "
        "unit of independence, with training: a picture that was learned need not be decoded."
    )


def test_the_battery_wants_to_be_told() -> None:
    mark = partial(Case.of, "dataset", params={})
    battery.mark_is_whole(mark(Copying))
    for wrong in ({}, {"independent": "trial"}):
        with pytest.raises(AssertionError, match="say what train and test must not share"):
            battery.mark_is_whole(mark(copying(**wrong)))


class SeenInValidation(Copying):
    """Under "single", validation shows the pictures of the test and training shows others."""

    __init__ = Copying.__init__

    def split_of(self, table: pd.DataFrame) -> np.ndarray:
        if self.split != "single":
            return super().split_of(table)
        shown = table.image_id.isin(sorted(set(table.image_id))[::2])
        by_subject = table.subject_name.map({"1": "val", "3": "test"}).fillna("")
        return np.where(shown, by_subject, "train").astype("<U5")


def test_pictures_of_validation_hide_none_that_weights_started_from(ran: Any, store: Store) -> None:
    """The encoder started from subject 2, who saw the pictures of the test."""
    start = "encoder.train.init_from={dataset.params.split: {by: subject, test: [3], val: [1]}}"
    mark = {"leakage": "x", "needs_root": False, "per_subject": True, "judge": "pocket"}
    marked = component("dataset", independent="image", **mark)(SeenInValidation)
    with registered(DATASETS, "seen", marked):
        everyone = "dataset.params={subjects: [1, 2, 3], split: null}"
        _, cell = ran("dataset.name=seen", everyone, start)
        found = leakage(cell, store)
    assert found["shares"]["image"]["test_with_train"] == 0
    assert found["shares"]["image"]["test_with_val"] == 1
    worst = found["findings"][0]
    assert (worst["verdict"], worst["what"]) == ("leaking", "encoder started from")
    assert worst["share"] == 1


def test_learned_pictures_are_told_where_blocks_are_the_unit(ran: Any, store: Store) -> None:
    """Another subject's blocks are others, and show the same pictures."""
    split = "dataset.params.split={by: subject, test: [2]}"
    found = leakage(ran(split, "dataset.params.subjects=[1, 2]")[1], store)
    assert (found["unit"], found["share"], found["verdict"]) == ("block", 0, "contested")
    assert found["sentence"] == (
        "Contested: 100 % of the test trials show a picture that training showed, too: a picture "
        "that was learned need not be decoded."
    )


def test_a_data_set_that_does_not_say_is_contested(ran: Any, store: Store) -> None:
    split = "dataset.params.split={by: subject, test: [3]}"
    with registered(DATASETS, "silent", copying()):
        _, cell = ran("dataset.name=silent", split, "dataset.params.subjects=[1, 3]")
        found = leakage(cell, store)
    assert (found["unit"], found["verdict"]) == (None, "contested")
    assert found["sentence"].startswith("Contested: the data set does not say what")


def test_pictures_that_nobody_knows_cannot_be_held_apart(
    ran: Any, store: Store, tmp_path: Path
) -> None:
    _, cell = ran()
    other = Store(tmp_path / "copy")
    shutil.copytree(store.path(cell.select), other.path(cell.select))
    file = other.path(cell.select) / "splits.json"
    about = json.loads(file.read_text())
    del about["shares"]["image"]
    text = json.dumps({**about, "independent": "image"})
    file.write_text(text + " " * (file.stat().st_size - len(text)))
    found = leakage(cell, other)
    assert found["sentence"] == (
        "Contested: training and test must not share an image, and nobody knows which were shown."
    )
    assert leakage(cell, Store(tmp_path / "empty")) is None


# ---- overlaps


def test_eeg_that_is_the_same_is_found() -> None:
    rng = np.random.default_rng(0)
    eeg = rng.normal(size=(40, 3, 50)).astype(np.float32)
    eeg[7] = eeg[30]
    eeg[8, 1] = eeg[31, 1]  # as far as one channel goes
    eeg[9:12] = 0  # dead, but the same
    rows = np.r_[np.arange(5, 35), 38]
    same = same_eeg(eeg, rows)
    groups = [set(rows[same == n].tolist()) for n in np.unique(same)]
    assert [g for g in groups if len(g) > 1] == [{9, 10, 11}, {7, 30}] or [
        g for g in groups if len(g) > 1
    ] == [{7, 30}, {9, 10, 11}]
    assert len(groups) == 31 - 3
    for short in (1, 3):
        assert len(np.unique(same_eeg(eeg[:, :, :short], rows))) == 31 - 3
