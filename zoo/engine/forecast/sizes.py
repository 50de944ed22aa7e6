"""How large the data of a plan are: trials, samples and pictures, before and after preparing them.

What the store holds is counted. What it lacks is asked of the data set: its geometry by `signal`,
its trials by ``trial_table`` where it has one (a simulated set knows them beforehand). Elsewhere
trials are not known until the recordings have been read.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from registry.errors import UserError
from zoo.engine.graph import Plan
from zoo.engine.roots import Roots
from zoo.engine.store import Store
from zoo.registries import DATASETS

#: Where the trials are not known, what `Sizes` say of them.
UNKNOWN = "its trials are counted when the recordings are read"


class Made(Protocol):
    """A node, planned or found in the store, as far as its size is concerned."""

    @property
    def stage(self) -> str: ...
    @property
    def params(self) -> Mapping[str, Any]: ...
    @property
    def inputs(self) -> Mapping[str, str]: ...


@dataclass(frozen=True)
class Found:
    """An entry of the store."""

    stage: str
    params: Mapping[str, Any]
    inputs: Mapping[str, str]


@dataclass(frozen=True)
class Sizes:
    """Of one selection of trials; None is what is not known.

    Parameters
    ----------
    prepared : int or None
        Trials of the prepared array.
    pictures : int or None
        Distinct pictures of those.
    shape : (int, int) or None
        Channels and samples of a trial.
    classes : int or None
    trials : dict or None
        Split -> selected trials.
    shown : dict or None
        Split -> distinct pictures of those.
    """

    prepared: int | None = None
    pictures: int | None = None
    shape: tuple[int, int] | None = None
    classes: int | None = None
    trials: Mapping[str, int] | None = None
    shown: Mapping[str, int] | None = None

    @property
    def selected(self) -> int | None:
        """Selected trials of all splits."""
        return None if self.trials is None else sum(self.trials.values())

    def of(self, split: str) -> int | None:
        """Return the selected trials of a split."""
        return None if self.trials is None else self.trials.get(split, 0)


class Shelf:
    """Every node that a forecast may ask about, and the sizes of its data.

    Parameters
    ----------
    plan : Plan
    store : Store
    roots : Roots
    """

    def __init__(self, plan: Plan, store: Store, roots: Roots) -> None:
        self.store, self.roots = store, roots
        self._made: dict[str, Made] = dict(plan.nodes)
        self._prepared: dict[str, dict[str, Any]] = {}
        self._sizes: dict[str, Sizes] = {}

    def add(self, key: str, made: Made) -> None:
        """Add an entry of the store that the plan does not have."""
        self._made.setdefault(key, made)

    def made(self, key: str) -> Made | None:
        """Return a node by its key; None where nobody knows it any more."""
        return self._made.get(key)

    def input(self, made: Made, role: str) -> str | None:
        """Return the key of an input, looked for in the inputs' inputs too."""
        waiting = [made]
        while waiting:
            one = waiting.pop(0)
            if role in one.inputs:
                return one.inputs[role]
            waiting += [above for key in one.inputs.values() if (above := self.made(key))]
        return None

    def sizes(self, made: Made, key: str | None = None) -> Sizes:
        """Return the sizes of the data that a node works on.

        Parameters
        ----------
        made : Made
        key : str, optional
            Its own, where it is the one that prepares or selects.
        """
        prepare = key if made.stage == "prepare" else self.input(made, "prepare")
        select = key if made.stage == "select" else self.input(made, "select")
        known = select or prepare
        if known is None or prepare is None:
            return Sizes()
        if known not in self._sizes:
            found = dict(self._of_prepare(prepare))
            table = found.pop("table", None)
            if select is not None:
                found |= self._of_select(select, table)
            self._sizes[known] = Sizes(**found)
        return self._sizes[known]

    def _of_prepare(self, key: str) -> dict[str, Any]:
        if key not in self._prepared:
            counted = self.store.valid(key)
            find: Callable[[str], dict[str, Any]] = self._counted if counted else self._asked
            self._prepared[key] = find(key)
        return self._prepared[key]

    def _counted(self, key: str) -> dict[str, Any]:
        import numpy as np
        import pandas as pd

        folder = self.store.path(key)
        shape = np.load(folder / "eeg.npy", mmap_mode="r", allow_pickle=False).shape
        signal = json.loads((folder / "signal.json").read_text("utf-8"))
        ids = pd.read_csv(folder / "trials.csv", usecols=["image_id"], dtype=str)["image_id"]
        return {
            "prepared": shape[0],
            "shape": (shape[1], shape[2]),
            "classes": len(signal["class_names"]),
            "pictures": ids.nunique(),
        }

    def _asked(self, key: str) -> dict[str, Any]:
        made = self.made(key)
        if made is None:
            return {}
        found: dict[str, Any] = {}
        try:
            dataset = DATASETS.create(made.params["dataset"], **made.params["params"])
            if hasattr(dataset, "signal"):
                signal = dataset.signal(self.roots.data)
                found["shape"] = (signal.n_chans, signal.n_times)
                found["classes"] = len(signal.class_names)
            if hasattr(dataset, "trial_table"):
                table = dataset.trial_table()
                found |= {"prepared": len(table), "pictures": table.image_id.nunique()}
                found["table"] = table
        except UserError:  # said where the recordings are read; a forecast says less
            pass
        return found

    def _of_select(self, key: str, table: Any) -> dict[str, Any]:
        if self.store.valid(key):
            return _of_file(self.store.path(key) / "select.npz")
        made = self.made(key)
        if made is None:
            return {}
        params = made.params["params"]
        if table is not None:
            return _chosen(made.params["dataset"], params, table)
        limit = params.get("limit")  # at most so many
        if limit is None:
            return {}
        most = limit if isinstance(limit, dict) else dict.fromkeys(("train", "val", "test"), limit)
        return {"trials": most}


def _of_file(path: Path) -> dict[str, Any]:
    import numpy as np

    with np.load(path, allow_pickle=False) as stored:
        return _counts(stored["split"], stored["image_id"])


def _chosen(name: str, params: dict[str, Any], table: Any) -> dict[str, Any]:
    """Count what the stage select will choose of `table`."""
    import numpy as np

    from zoo.datasets._splits import select_named
    from zoo.stages.select import within_limit

    try:
        split = DATASETS.create(name, **params).split_of(table)
        used = split != ""
        if params.get("subjects") is not None:
            names = table.subject_name.to_numpy(dtype=str)
            used &= select_named(names, params["subjects"], "dataset.params.subjects", "subject")
        if params.get("limit") is not None:
            used &= within_limit(table, np.where(used, split, ""), params["limit"])
    except UserError:
        return {}
    return _counts(split[used], table.image_id.to_numpy(dtype=str)[used])


def _counts(split: Any, image_id: Any) -> dict[str, Any]:
    parts = {part: split == part for part in ("train", "val", "test")}
    return {
        "trials": {part: int(here.sum()) for part, here in parts.items()},
        "shown": {part: len(set(image_id[here].tolist())) for part, here in parts.items()},
    }


def split_of(made: Made) -> str:
    """Return the split whose trials a node draws or scores."""
    return str(made.params.get("split", "test"))


def steps_of(train: Mapping[str, Any], n_trials: int | None) -> int | None:
    """Return the optimiser's steps of a training on `n_trials`; None where they are not known."""
    if train["steps"] is not None:
        return int(train["steps"])
    if n_trials is None:
        return None
    batches = math.ceil(n_trials / int(train["batch_size"]))
    return math.ceil(int(train["epochs"]) * batches / int(train["accumulate"]))
