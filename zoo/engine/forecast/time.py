"""The time that a node will take: that of the nearest entries of the store, scaled by the work.

An entry counts where it ran the same stage with the same component on the same kind of device and
as many threads. Where the store holds none, a training of a conditioner on a CPU is predicted from
its operations (`zoo.engine.forecast.training`), and nothing is said of the rest.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zoo.engine.forecast.sizes import Found, Made, Shelf, split_of, steps_of
from zoo.engine.keys import canonical
from zoo.engine.store import Store

#: Entries of one likeness whose speeds are averaged: those whose work comes nearest.
NEAREST = 5


@dataclass(frozen=True)
class Timed:
    """What an entry of the store took."""

    work: float
    seconds: float


class History:
    """What the entries of a store took, by what they did.

    Parameters
    ----------
    store : Store
    shelf : Shelf
        Learns of every entry, so that the inputs of one can be found.
    device : str
    threads : int or None
    """

    def __init__(self, store: Store, shelf: Shelf, *, device: str, threads: int | None) -> None:
        self.shelf = shelf
        found: list[tuple[str, Found, float]] = []
        for key, manifest in _manifests(store):
            made = Found(manifest["stage"], manifest["params"], manifest["inputs"])
            shelf.add(key, made)
            kind = str(manifest.get("device")).partition(":")[0]
            alike = kind == device.partition(":")[0] and manifest.get("threads") == threads
            if alike and manifest.get("processes", 1) == 1:
                found.append((key, made, float(manifest["seconds"])))
        self._entries = found
        self._timed: dict[str, list[Timed]] | None = None

    def seconds(self, key: str, made: Made) -> float | None:
        """Return what a node will take; None where no entry is like it, or its size is unknown."""
        if not self._entries:
            return None
        wanted = work(key, made, self.shelf)
        alike = self.timed.get(likeness(made, self.shelf), [])
        if wanted is None or not alike:
            return None
        nearest = sorted(alike, key=lambda one: abs(one.work - wanted))[:NEAREST]
        if len(nearest) > 1 and all(one.work == wanted for one in nearest):
            return statistics.median(one.seconds for one in nearest)
        return statistics.median(_scaled(one, wanted) for one in nearest)

    @property
    def timed(self) -> dict[str, list[Timed]]:
        """Likeness -> its entries."""
        if self._timed is None:
            self._timed = {}
            for key, made, seconds in self._entries:
                done = work(key, made, self.shelf)
                if done:
                    known = likeness(made, self.shelf)
                    self._timed.setdefault(known, []).append(Timed(done, seconds))
        return self._timed


def likeness(made: Made, shelf: Shelf) -> str:
    """Return what has to agree for one entry to tell the speed of another."""
    params = made.params
    match made.stage:
        case "prepare":
            told: Any = [params["dataset"]]
        case "select":
            told = [params["dataset"]]
        case "features":
            told = [params.get(k) for k in ("tower", "network", "name", "of", "pipeline", "params")]
        case "judge":
            told = [params.get("judge"), params["dataset"]]
        case "encode":
            told = [params["encoder"], params["objective"]["name"], shelf.sizes(made).shape]
        case "condition":
            precise = params["train"].get("precision")
            told = [params["conditioner"], params["pipeline"], precise]
        case "gap":
            told = [params["conditioner"], params["pipeline"]]
        case "generate":
            told = [params["pipeline"], params.get("precision"), params["sample"].get("scheduler")]
        case "evaluate":
            told = [params["metric"], params["params"], params.get("tower_missing") is None]
        case _:
            told = [params]
    return f"{made.stage} {canonical(told)}"


def work(key: str, made: Made, shelf: Shelf) -> float | None:
    """Return how much a node has to do, in units that suit its stage; None where not known."""
    sizes, params = shelf.sizes(made, key), made.params
    drawn = made
    if made.stage == "features" and (source := shelf.made(made.inputs.get("generate", ""))):
        drawn = source
    n_scored = sizes.of(split_of(drawn))
    match made.stage:
        case "prepare":
            return sizes.prepared
        case "select":
            return sizes.prepared
        case "features" if params["tower"] in ("vae", "image"):
            shown = sizes.shown if "select" in made.inputs else None
            return sum(shown.values()) if shown else sizes.pictures
        case "encode" | "condition":
            train = params["train"]
            steps, batch = steps_of(train, sizes.of("train")), train.get("batch_size")
            if steps is None or batch is None:
                return None
            per_step = batch * train.get("accumulate", 1)
            # An epoch ends with what is left: no step is larger than the trials there are.
            return 1.0 + float(steps * min(per_step, sizes.of("train") or per_step))
        case "generate":
            if n_scored is None:
                return None
            sample = params["sample"]
            passes = sample["steps"] * (2 if sample["guidance_scale"] > 1 else 1)
            return float(n_scored * sample.get("images_per_trial", 1) * (1 + passes))
        case _:
            return None if n_scored is None else float(n_scored)


def _scaled(one: Timed, wanted: float) -> float:
    return one.seconds * wanted / one.work


def _manifests(store: Store) -> list[tuple[str, Mapping[str, Any]]]:
    folder = store.root / "entries"
    found = []
    for path in sorted(folder.glob("*/manifest.json")):
        try:
            manifest = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError):  # pruned since, or damaged
            continue
        if {"stage", "params", "inputs", "seconds"} <= manifest.keys():
            found.append((path.parent.name, manifest))
    return found
