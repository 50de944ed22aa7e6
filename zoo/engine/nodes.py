"""The stages that prepare, train and draw, each a node of the graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from registry.spec import ComponentSpec
from zoo.controls import CONTROLS
from zoo.engine.code import Code, code_of
from zoo.engine.fingerprints import (
    Sources,
    picture_params,
    signal_params,
    tower_of,
    trial_params,
)
from zoo.engine.graph import Node
from zoo.engine.init_from import source_cell
from zoo.engine.keys import node_key, typed, untyped
from zoo.engine.once import Answers, once
from zoo.engine.token_shape import token_shape
from zoo.recipe.cells import Block, Cell
from zoo.registries import CONDITIONERS, DATASETS, ENCODERS, OBJECTIVES, PIPELINES

#: Controls that replace the tokens in training; the others reuse the trained conditioner.
TRAINED_CONTROLS = frozenset(name for name, control in CONTROLS.items() if control.trained)
#: Controls in which the denoiser draws as it came.
PROMPTED = frozenset(name for name, control in CONTROLS.items() if control.prompted)


class Builder:
    """Adds the nodes of one cell after another; a node that is there already is shared.

    Each method named after a stage adds what that stage needs, then itself, and returns its key.

    Parameters
    ----------
    sources : Sources
    stages : str
        Package of the stage modules.
    """

    def __init__(self, sources: Sources, stages: str) -> None:
        self.sources = sources
        self.stages = stages
        self.answers: Answers = {}
        self.nodes: dict[str, Node] = {}
        self.codes: dict[tuple[str | int, ...], tuple[Code, Sequence[ComponentSpec]]] = {}

    @once
    def prepare(self, cell: Cell) -> str:
        params: dict[str, Any] = {
            "dataset": cell.dataset.name,
            "params": _dataset(cell, signal_params),
            "fingerprint": self.sources.dataset(cell),
        }
        if dataset_spec(cell).meta.get("needs_root"):  # its trials are paired with pictures
            params["images"] = self.sources.images(cell)
        return self.add("prepare", cell.dataset.name, params, {}, [dataset_spec(cell)])

    @once
    def select(self, cell: Cell) -> str:
        params = {
            "dataset": cell.dataset.name,
            "params": _dataset(cell, trial_params),
            "seed": cell.seed if cell.dataset.params.get("shuffle_labels") else None,
        }
        inputs = {"prepare": self.prepare(cell)}
        return self.add("select", cell.dataset.name, params, inputs, [dataset_spec(cell)])

    @once
    def encode(self, cell: Cell) -> str:
        objective = cell.encoder.train["objective"]
        components = [ENCODERS.spec(cell.encoder.name), OBJECTIVES.spec(objective["name"])]
        params = {
            "encoder": _named(components[0], cell.encoder.params),
            "objective": _named(components[1], objective["params"]),
            "train": _train(cell.encoder),
            "seed": cell.seed,
        }
        inputs = {"prepare": self.prepare(cell), "select": self.select(cell)}
        if components[1].meta.get("target") == "image":
            inputs["features"] = self.image_features(cell)
        if cell.encoder.train.get("init_from") is not None:
            inputs["init"] = self.encode(source_cell(cell, "encoder"))
        label = f"{cell.encoder.name} · seed {cell.seed}"
        return self.add("encode", label, params, inputs, components)

    @once
    def features(self, cell: Cell) -> str:
        components = [dataset_spec(cell), PIPELINES.spec(cell.pipeline.name)]
        params = {
            "tower": "vae",
            "pipeline": cell.pipeline.name,
            "params": typed(components[1], cell.pipeline.params),
            "weights": self.sources.weights(cell),
            **self.pictures(cell),
        }
        inputs = {"prepare": self.prepare(cell)}
        if isinstance(cell.dataset.params.get("limit"), int):  # a dry run: a few of the pictures
            inputs["select"] = self.select(cell)
        return self.add("features", f"vae of {cell.pipeline.name}", params, inputs, components)

    @once
    def image_features(self, cell: Cell) -> str:
        tower = tower_of(cell)
        params = {
            "tower": "image",
            "name": tower,
            "weights": self.sources.tower(cell),
            **self.pictures(cell),
        }
        inputs = {"prepare": self.prepare(cell)}
        if isinstance(cell.dataset.params.get("limit"), int):  # a dry run: a few of the pictures
            inputs["select"] = self.select(cell)
        return self.add("features", str(tower), params, inputs, [dataset_spec(cell)])

    @once
    def condition(self, cell: Cell, control: str | None) -> str:
        params = {
            **self.generator(cell, control),
            "train": _train(cell.conditioner),
            "seed": cell.seed,
            "control": control,
        }
        inputs = {"prepare": self.prepare(cell), "select": self.select(cell)}
        inputs["features"] = self.features(cell)
        if control not in TRAINED_CONTROLS:
            inputs["encode"] = self.encode(cell)
        if cell.conditioner.train.get("init_from") is not None:
            inputs["init"] = self.condition(source_cell(cell, "conditioner"), control)
        label = label_of(cell.conditioner.name, control, f"seed {cell.seed}")
        return self.add("condition", label, params, inputs, generators(cell))

    @once
    def generate(self, cell: Cell, control: str | None, step: int | None) -> str:
        params = {
            **self.generator(cell, control),
            "sample": self.sample(cell),
            "precision": cell.conditioner.train.get("precision", "fp32"),
            "seed": cell.seed,
            "control": control,
            "snapshot": None if step == cell.conditioner.train.get("steps") else step,
            "split": cell.score_on,
        }
        trained = control if control in TRAINED_CONTROLS else None
        inputs = {"prepare": self.prepare(cell), "select": self.select(cell)}
        if control in PROMPTED:
            params["conditioner"] = None
        else:
            inputs["condition"] = self.condition(cell, trained)
        if control is None or not (trained or control in PROMPTED) or CONTROLS[control].answers:
            inputs["encode"] = self.encode(cell)
        label = label_of(cell.conditioner.name, control, at_step(step), f"seed {cell.seed}")
        return self.add("generate", label, params, inputs, generators(cell))

    @once
    def sample(self, cell: Cell) -> dict[str, Any]:
        """Return how pictures are drawn; alike under every control."""
        return dict(untyped(cell.pipeline.sample))

    def generator(self, cell: Cell, control: str | None) -> dict[str, Any]:
        """Return what names the conditioner and the denoiser, in training and in sampling."""
        conditioner, pipeline = generators(cell)
        return {
            "conditioner": _named(conditioner, cell.conditioner.params),
            "pipeline": _named(pipeline, cell.pipeline.params),
            "weights": self.sources.weights(cell),
            "tokens": token_shape(cell) if control in TRAINED_CONTROLS else None,
        }

    @once
    def pictures(self, cell: Cell) -> dict[str, Any]:
        """Return what names the pictures that trials were shown."""
        return {
            "dataset": cell.dataset.name,
            "dataset_params": _dataset(cell, picture_params),
            "images": self.sources.images(cell),
        }

    def add(
        self,
        stage: str,
        label: str,
        params: dict[str, Any],
        inputs: dict[str, str],
        components: Sequence[ComponentSpec],
        written: str | None = None,
    ) -> str:
        """Add a node unless it is there; return its key."""
        module = f"_{params['tower']}_features" if stage == "features" else stage
        return self.put(stage, label, params, inputs, self.code(module, components), written)

    def put(
        self,
        stage: str,
        label: str,
        params: dict[str, Any],
        inputs: dict[str, str],
        code: Code,
        written: str | None = None,
    ) -> str:
        """Add a node, whose code is known, unless it is there; return its key."""
        key = node_key(stage, params, inputs, code, written=written)
        if key not in self.nodes:
            self.nodes[key] = Node(key, stage, f"{stage} {label}", params, inputs, code)
        return key

    def code(self, module: str, components: Sequence[ComponentSpec]) -> Code:
        """Return the code of a stage's module and its components, read once."""
        known: tuple[str | int, ...] = (module, *map(id, components))
        if known not in self.codes:
            # The components are kept beside their code, so that no other can get an id of theirs.
            self.codes[known] = code_of([f"{self.stages}.{module}"], components), components
        return self.codes[known][0]


def dataset_spec(cell: Cell) -> ComponentSpec:
    """Return the spec of a cell's data set."""
    return DATASETS.spec(cell.dataset.name)


def _dataset(cell: Cell, chosen: Callable[[Block], dict[str, Any]]) -> dict[str, Any]:
    return typed(dataset_spec(cell), chosen(cell.dataset))


def generators(cell: Cell) -> list[ComponentSpec]:
    """Return the specs of what draws: conditioner and pipeline."""
    return [CONDITIONERS.spec(cell.conditioner.name), PIPELINES.spec(cell.pipeline.name)]


def _named(spec: ComponentSpec, params: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": spec.name, "params": typed(spec, params)}


def _train(block: Block) -> dict[str, Any]:
    """Return the training settings; the objective and the source of init are keyed apart."""
    kept = {k: v for k, v in block.train.items() if k not in {"objective", "init_from"}}
    return dict(untyped(kept))


def label_of(*parts: str | None) -> str:
    """Return what tells a node from others of its stage, of the parts that apply."""
    return " · ".join(part for part in parts if part)


def at_step(step: int | None) -> str | None:
    """Return the part of a label that names a snapshot."""
    return None if step is None else f"step {step}"
