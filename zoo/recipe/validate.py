"""Whether the parts of a cell fit each other, judged from literals: nothing is built."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, TypeGuard

from registry import ComponentSpec, did_you_mean
from zoo.controls import CONTROLS
from zoo.datasets._limit import limit_problem
from zoo.recipe.deep import deep_check
from zoo.recipe.errors import Problems
from zoo.recipe.metrics import OF_PICTURES
from zoo.recipe.nodes import Node, plain
from zoo.recipe.overrides import path_problem
from zoo.recipe.schema import (
    ComponentBlock,
    ConditionerBlock,
    EncoderBlock,
    PipelineBlock,
    Sample,
    Train,
    shown,
    valid,
)
from zoo.towers.table import unknown

__all__ = ["compatibility", "deep_check"]

#: Settings that only mean something where a denoiser is trained.
_DENOISING = (
    "cond_dropout", "timesteps", "snr_gamma", "token_noise", "align", "checkpointing", "snapshots",
)  # fmt: skip
#: What a conditioner opens -> the group of learning rates it trains.
_OPENED = {"attn2": "attn2", "attn2_lora": "lora", "unet": "unet", "unet_lora": "lora"}
_TEXT_ENCODER = {"trained": "text_encoder", "lora": "lora"}
_SPLIT_BY = ("run", "session", "subject", "image", "block")
_LATENT_FACTOR = 8

Note: TypeAlias = Callable[[Sequence[str | int], str], None]


def compatibility(
    tree: Node,
    specs: Mapping[str, ComponentSpec],
    metrics: Sequence[ComponentSpec | None],
    problems: Problems,
) -> None:
    """Note every combination that cannot work.

    Each part is judged alone, as far as its own settings are valid and its components exist, so
    that one mistake does not hide another.

    Parameters
    ----------
    tree : Node
        The merged tree, ``lr`` by group.
    specs : mapping
        Kind -> spec of the cell's component.
    metrics : sequence of ComponentSpec or None
        In the order of the recipe.
    problems : Problems
    """

    def note(path: Sequence[str | int], message: str) -> None:
        problems.add(tree.locate(path), message)

    dataset = valid(ComponentBlock, tree.at(("dataset",)))
    encoder = valid(EncoderBlock, tree.at(("encoder",)))
    conditioner = valid(ConditionerBlock, tree.at(("conditioner",)))
    pipeline = valid(PipelineBlock, tree.at(("pipeline",)))
    if dataset is not None:
        _dataset(dataset.params, note)
    if encoder is not None:
        _encoder(encoder, specs.get("encoder"), note)
        _tower(encoder, specs.get("objective"), note)
    if conditioner is not None and "conditioner" in specs:
        _rates(conditioner, specs["conditioner"], note)
    if pipeline is not None and "pipeline" in specs:
        _pipeline(pipeline, specs["pipeline"], note)
    if "conditioner" in specs and "pipeline" in specs:
        _route(specs["conditioner"], specs["pipeline"], note)
    _controls(tree, encoder, specs, note)
    if pipeline is not None and pipeline.sample.images_per_trial == 0:
        _undrawn(tree, metrics, note)


def _dataset(params: Mapping[str, Any], note: Note) -> None:
    """Check the parameters that every data set takes."""
    for name in ("band", "window"):
        value = params.get(name)
        if isinstance(value, list) and not (
            len(value) == 2 and all(map(_is_number, value)) and value[0] < value[1]
        ):
            note(("dataset", "params", name), f"must be [low, high] with low < high, got {value}")
    for name in ("resample", "limit"):
        value = params.get(name)
        if value is not None and _is_number(value) and value <= 0:
            note(("dataset", "params", name), f"must be > 0, got {value}")
    limit = params.get("limit")
    if isinstance(limit, dict) and (problem := limit_problem(limit)) is not None:
        note(("dataset", "params", "limit"), problem)
    if params.get("subjects") == []:
        note(("dataset", "params", "subjects"), "is empty; leave it out to take every subject")
    split = params.get("split")
    if isinstance(split, dict):
        _split(split, note)


def _split(split: Mapping[str, Any], note: Note) -> None:
    path = ("dataset", "params", "split")
    for key in split:
        if key not in ("by", "test", "val"):
            hint = did_you_mean(key, ("by", "test", "val"))
            note((*path, key), f"unknown key. {hint}A split has: by, test, val")
    by = split.get("by")
    if by not in _SPLIT_BY:
        hint = did_you_mean(str(by), _SPLIT_BY)
        message = f"must be one of {', '.join(_SPLIT_BY)}, got {shown(by)}"
        note((*path, "by"), f"{message}. {hint}" if hint else message)
    for part in ("test", "val"):
        value = split.get(part, [] if part == "val" else None)
        if not isinstance(value, list) or (part == "test" and not value):
            note((*path, part), f"must list what to hold out, got {shown(value)}")
    test, val = split.get("test"), split.get("val")
    if isinstance(test, list) and isinstance(val, list):
        for both in (value for value in test if value in val):
            note((*path, "val"), f"{both!r} is in test, too; splits must not share it")


def _encoder(block: EncoderBlock, spec: ComponentSpec | None, note: Note) -> None:
    sizes = () if spec is None else spec.meta.get("tokens", ())
    for name in sizes:
        size = spec.value(block.params, name) if spec and isinstance(name, str) else None
        if _is_number(size) and size < 1:
            note(("encoder", "params", name), f"must be >= 1, got {size}")
    train = block.train
    if train.lr.all is None:
        note(("encoder", "train", "lr"), "must be one number: an encoder has no groups")
    for key in _DENOISING:
        if getattr(train, key) != Train.model_fields[key].default:
            note(("encoder", "train", key), "has no effect on an encoder; set it for conditioner")


def _tower(block: EncoderBlock, objective: ComponentSpec | None, note: Note) -> None:
    """Check the name of the image tower that an objective on images compares tokens with."""
    if objective is None or objective.meta.get("target") != "image":
        return
    name = objective.value(block.train.objective.params, "tower")
    if (problem := unknown(name, giving="features")) is not None:
        note(("encoder", "train", "objective", "params", "tower"), problem)


def _rates(block: ConditionerBlock, spec: ComponentSpec, note: Note) -> None:
    """Check that ``lr`` by group has a rate for everything that is trained."""
    text_encoder = _TEXT_ENCODER.get(str(spec.value(block.params, "text_encoder")))
    opened = _OPENED.get(str(spec.value(block.params, "opens")))
    groups = [group for group in ("projection", text_encoder, opened) if group is not None]
    rates = block.train.lr
    for group in dict.fromkeys(groups):
        if rates.all is None and getattr(rates, group) is None:
            trains = f"which conditioner {spec.name!r} trains"
            note(("conditioner", "train", "lr"), f"has no rate for {group!r}, {trains}")


def _pipeline(block: PipelineBlock, spec: ComponentSpec, note: Note) -> None:
    size = spec.value(block.params, "image_size")
    if _is_number(size) and (size < _LATENT_FACTOR or size % _LATENT_FACTOR):
        path = ("pipeline", "params", "image_size")
        note(path, f"must be a multiple of {_LATENT_FACTOR} pixels, got {size}")
    scheduler, known = block.sample.scheduler, spec.meta.get("schedulers", ())
    if scheduler is not None and scheduler not in known:
        hint = did_you_mean(scheduler, known)
        note(
            ("pipeline", "sample", "scheduler"),
            f"unknown scheduler {scheduler!r}. {hint}Known: {', '.join(known)}",
        )
    weights = str(spec.value(block.params, "weights"))
    _sampling(block.sample, weights, spec.meta.get("sampling", {}).get(weights, {}), note)


def _sampling(sample: Sample, weights: str, only: Mapping[str, Any], note: Note) -> None:
    """Check the settings with which alone these weights draw anything, where there are such."""
    for key, allowed in only.items():
        value = getattr(sample, key)
        if isinstance(allowed, tuple):
            low, high = allowed
            fits, wanted, best = low <= value <= high, f"{low} to {high}", high
        else:
            fits, wanted, best = value == allowed, str(allowed), allowed
        if not fits:
            note(
                ("pipeline", "sample", key),
                f"weights {weights!r} draw with {key} {wanted} alone, got {shown(value)}; "
                f"--set pipeline.sample.{key}={best}",
            )


def _route(conditioner: ComponentSpec, pipeline: ComponentSpec, note: Note) -> None:
    refused = set(conditioner.meta.get("provides", ())) - set(pipeline.meta.get("accepts", ()))
    if refused:
        note(
            ("conditioner", "name"),
            f"conditioner {conditioner.name!r} provides {', '.join(sorted(refused))}, which "
            f"pipeline {pipeline.name!r} does not accept",
        )


def _undrawn(tree: Node, metrics: Sequence[ComponentSpec | None], note: Note) -> None:
    """Check that nothing asks for pictures where none are drawn."""
    why = "and pipeline.sample.images_per_trial is 0: nothing is drawn"
    for index, spec in enumerate(metrics):
        needs = set() if spec is None else set(spec.meta.get("needs", ()))
        if spec is not None and needs & OF_PICTURES:
            note(("metrics", index), f"metric {spec.name!r} looks at pictures, {why}")
        elif spec is not None and "gap" in needs:
            none = f"{why}, and no conditioner is trained"
            note(("metrics", index), f"metric {spec.name!r} looks at a conditioner, {none}")
    controls = tree.at(("controls",))
    if controls is not None and controls.value:
        note(("controls",), f"controls are of pictures, {why}")


def _controls(
    tree: Node,
    encoder: EncoderBlock | None,
    specs: Mapping[str, ComponentSpec],
    note: Note,
) -> None:
    spec, objective = specs.get("encoder"), specs.get("objective")
    node = tree.at(("controls",))
    entries = node.value if node is not None and isinstance(node.value, list) else []
    controls = [plain(name) if (name := e.at(("name",))) else None for e in entries]
    for index, control in enumerate(controls):
        if control is None:
            continue  # the schema has said so
        only = entries[index].at(("only",))
        for dotted in () if only is None else only.entries():
            if (problem := path_problem(dotted)) is not None:
                note(("controls", index, "only", dotted), problem)
        if control not in CONTROLS:
            hint = did_you_mean(str(control), CONTROLS)
            known = f"Known controls: {', '.join(CONTROLS)}"
            note(("controls", index), f"unknown control {control!r}. {hint}{known}")
        elif control in controls[:index]:
            note(("controls", index), f"{control!r} is listed twice")
        elif CONTROLS[control].answers and objective and objective.meta.get("target") != "label":
            note(
                ("controls", index),
                f"{control!r} needs the class that the encoder names, and objective "
                f"{objective.name!r} names none",
            )
    if "class_label" in controls and encoder is not None and spec is not None:
        tokens = spec.meta.get("tokens", ())
        shape = [spec.value(encoder.params, t) if isinstance(t, str) else t for t in tokens]
        if len(shape) != 2 or not all(isinstance(size, int) for size in shape):
            note(
                ("controls", controls.index("class_label")),
                f"'class_label' needs the token shape of encoder {spec.name!r}, whose mark "
                f"says tokens={tokens!r}",
            )


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
