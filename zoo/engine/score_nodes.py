"""What scores the pictures drawn and the classes named, each a node of the graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from zoo.engine.code import Code
from zoo.engine.keys import canonical, typed
from zoo.engine.nodes import TRAINED_CONTROLS, Builder, at_step, dataset_spec, generators, label_of
from zoo.engine.once import Answers, once
from zoo.recipe.cells import Block, Cell
from zoo.recipe.metrics import OF_PICTURES
from zoo.registries import METRICS
from zoo.towers.table import TOWERS


@dataclass(frozen=True)
class Scored:
    """A metric in one cell: what its node is given whichever pictures it is about."""

    metric: Block
    needs: frozenset[str]
    params: dict[str, Any]
    written: str  # the same, for the keys
    inputs: dict[str, str]
    code: Code
    tower: str | None


class About(NamedTuple):
    """Of a metric what cells on the same data share."""

    needs: frozenset[str]
    params: dict[str, Any]
    code: Code
    tower: str | None


class ScoreNodes:
    """Adds the nodes that score a cell to those of `builder`."""

    def __init__(self, builder: Builder) -> None:
        self.builder = builder
        self.answers: Answers = {}
        self.about: dict[tuple[int, str, str], tuple[About, Block]] = {}
        self.looks: dict[tuple[str, str], tuple[dict[str, Any], str]] = {}

    @once
    def judge(self, cell: Cell) -> str:
        judge = dataset_spec(cell).meta.get("judge")
        params = {
            "judge": judge,
            "weights": self.builder.sources.judge(judge),
            **self.builder.pictures(cell),
        }
        inputs = {"prepare": self.builder.prepare(cell)}
        return self.builder.add("judge", cell.dataset.name, params, inputs, [dataset_spec(cell)])

    def scored(self, cell: Cell, metric: Block) -> Scored:
        """Return what a metric's nodes are given, but for the pictures and what comes of them."""
        asked = (id(metric), self.data(cell), cell.score_on)
        if asked not in self.about:
            # The metric is kept beside the answer, so that no other can get its id.
            self.about[asked] = self._about(cell, metric), metric
        needs, of_all, code, tower = self.about[asked][0]
        params = {**of_all, "seed": cell.seed}
        inputs = {"prepare": self.builder.prepare(cell), "select": self.builder.select(cell)}
        return Scored(metric, needs, params, canonical(params), inputs, code, tower)

    @once
    def data(self, cell: Cell) -> str:
        """Return the cell's data set and its parameters, written out."""
        return canonical([cell.dataset.name, cell.dataset.params])

    def _about(self, cell: Cell, metric: Block) -> About:
        """Return of a metric what cells on the same data share."""
        spec = METRICS.spec(metric.name)
        needs = frozenset(spec.meta.get("needs", ()))
        params: dict[str, Any] = {
            "metric": metric.name,
            "params": typed(spec, metric.params),
            "split": cell.score_on,
        }
        components, tower = [spec], None
        if needs & {"features", "scores"}:
            params["tower"] = metric.params["tower"]
            missing = self.builder.sources.tower_missing(metric.params["tower"])
            if missing:
                params["tower_missing"] = missing
            else:
                tower = metric.params["tower"]
        if needs & {"train_images", "seen"}:
            params["pictures"] = sorted(needs & {"train_images", "seen"})
            params |= self.builder.pictures(cell)
            components.append(dataset_spec(cell))
        return About(needs, params, self.builder.code("evaluate", components), tower)

    def inputs(
        self, cell: Cell, scored: Scored, control: str | None, step: int | None
    ) -> dict[str, str]:
        """Return what the node of a metric works on; alike for all of the same needs and tower."""
        needs, inputs = scored.needs, dict(scored.inputs)
        if needs & {"logits", "similarity"} and control not in TRAINED_CONTROLS:
            inputs["encode"] = self.builder.encode(cell)
        if needs & OF_PICTURES:
            inputs["generate"] = self.builder.generate(cell, control, step)
        if "gap" in needs:
            inputs["gap"] = self.gap(cell)
        if "judge" in needs:
            inputs["judge"] = self.judge(cell)
            inputs["features"] = self.judged(cell, control, step)
        if scored.tower is not None:
            inputs["drawn"] = self.drawn(cell, scored.tower, control, step)
            inputs["seen"] = self.seen(cell, scored.tower)
        return inputs

    def evaluate(
        self, cell: Cell, scored: Sequence[Scored], control: str | None, step: int | None
    ) -> dict[str, str]:
        """Add the nodes of metrics about the same pictures; return label -> key."""
        alike: dict[tuple[frozenset[str], str | None], dict[str, str]] = {}
        about = label_of(control, at_step(step), f"seed {cell.seed}")
        keys = {}
        for one in scored:
            kind = one.needs, one.tower
            if kind not in alike:
                alike[kind] = self.inputs(cell, one, control, step)
            label = f"{one.metric.label} · {about}"
            keys[one.metric.label] = self.builder.put(
                "evaluate", label, one.params, alike[kind], one.code, one.written
            )
        return keys

    @once
    def judged(self, cell: Cell, control: str | None, step: int | None) -> str:
        """Add what the judge makes of the pictures drawn."""
        inputs = {"judge": self.judge(cell), "generate": self.builder.generate(cell, control, step)}
        label = label_of("judge", control, at_step(step), f"seed {cell.seed}")
        return self.builder.add("features", label, {"tower": "judge"}, inputs, [])

    @once
    def gap(self, cell: Cell) -> str:
        condition = self.builder.condition(cell, None)
        params = {
            **self.builder.generator(cell, None),
            "seed": cell.seed,
            "control": None,
            "split": cell.score_on,
        }
        inputs = {"prepare": self.builder.prepare(cell), "select": self.builder.select(cell)}
        inputs |= {"encode": self.builder.encode(cell), "condition": condition}
        if "init" in self.builder.nodes[condition].inputs:
            inputs["init"] = self.builder.nodes[condition].inputs["init"]
        label = f"{cell.conditioner.name} · seed {cell.seed}"
        return self.builder.add("gap", label, params, inputs, generators(cell))

    @once
    def drawn(self, cell: Cell, name: str, control: str | None, step: int | None) -> str:
        """Add what a tower's network makes of the pictures drawn."""
        params, written = self.look(name, cell.score_on)
        inputs = {"generate": self.builder.generate(cell, control, step)}
        label = label_of(params["network"], control, at_step(step), f"seed {cell.seed}")
        return self.builder.add("features", label, params, inputs, [], written)

    @once
    def seen(self, cell: Cell, name: str) -> str:
        """Add what a tower's network makes of the pictures seen."""
        params = {**self.tower(name, cell.score_on), "of": "seen", **self.builder.pictures(cell)}
        inputs = {"prepare": self.builder.prepare(cell), "select": self.builder.select(cell)}
        components = [dataset_spec(cell)]
        label = f"{params['network']} of seen"
        return self.builder.add("features", label, params, inputs, components)

    def look(self, name: str, split: str) -> tuple[dict[str, Any], str]:
        """Return what the nodes of a tower that looks at pictures drawn share; also as written."""
        if (name, split) not in self.looks:
            params = {**self.tower(name, split), "of": "drawn"}
            self.looks[name, split] = params, canonical(params)
        return self.looks[name, split]

    def tower(self, name: str, split: str) -> dict[str, Any]:
        """Return what names a tower's network and the split whose pictures it looks at."""
        return {
            "tower": "picture",
            "network": TOWERS[name].network,
            "split": split,
            "weights": self.builder.sources.tower_named(name),
        }
