"""Whether the parts of a cell fit each other, judged from literals; `deep_check` builds them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from registry import ComponentSpec, did_you_mean
from zoo.recipe.cells import Recipe
from zoo.recipe.errors import Problems
from zoo.recipe.nodes import Node
from zoo.recipe.schema import CellModel, Train

CONTROLS = ("shuffled_eeg", "class_label")
#: What the stages of every cell make for metrics; ``logits`` come from an objective on labels.
_MADE = frozenset({"label", "generated", "judge", "train_images"})
#: Settings that only mean something where a denoiser is trained.
_DENOISING = ("cond_dropout", "timesteps", "snr_gamma", "token_noise", "align", "snapshots")
#: What a conditioner opens -> the group of learning rates it trains.
_OPENED = {"attn2": "attn2", "attn2_lora": "lora", "unet": "unet", "unet_lora": "lora"}
_SPLIT_BY = ("run", "session", "subject", "image", "block")
_LATENT_FACTOR = 8


def compatibility(
    tree: Node,
    model: CellModel,
    specs: Mapping[str, ComponentSpec],
    metrics: Sequence[ComponentSpec],
    problems: Problems,
) -> None:
    """Note every combination that cannot work.

    Parameters
    ----------
    tree : Node
        The merged tree, for places.
    model : CellModel
    specs : mapping
        Kind -> spec of the cell's component.
    metrics : sequence of ComponentSpec
        In the order of the recipe.
    problems : Problems
    """

    def note(path: Sequence[str | int], message: str) -> None:
        problems.add(tree.locate(path), message)

    _dataset(model.dataset.params, note)
    _encoder(model.encoder.train, note)
    _conditioner(model, specs, note)
    _metrics(model, specs["objective"], metrics, note)
    _controls(model, specs["encoder"], note)


def _dataset(params: Mapping[str, Any], note: Callable[[Sequence[str], str], None]) -> None:
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
    if params.get("subjects") == []:
        note(("dataset", "params", "subjects"), "is empty; leave it out to take every subject")
    split = params.get("split")
    if isinstance(split, dict):
        _split(split, note)


def _split(split: Mapping[str, Any], note: Callable[[Sequence[str], str], None]) -> None:
    path = ("dataset", "params", "split")
    for key in split:
        if key not in ("by", "test", "val"):
            hint = did_you_mean(key, ("by", "test", "val"))
            note((*path, key), f"unknown key. {hint}A split has: by, test, val")
    by = split.get("by")
    if by not in _SPLIT_BY:
        hint = did_you_mean(str(by), _SPLIT_BY)
        note((*path, "by"), f"must be one of {', '.join(_SPLIT_BY)}, got {by!r}. {hint}")
    for part in ("test", "val"):
        value = split.get(part, [] if part == "val" else None)
        if not isinstance(value, list) or (part == "test" and not value):
            note((*path, part), f"must list what to hold out, got {value!r}")
    test, val = split.get("test"), split.get("val")
    if isinstance(test, list) and isinstance(val, list):
        for both in (value for value in test if value in val):
            note((*path, "val"), f"{both!r} is in test, too; splits must not share it")


def _encoder(train: Train, note: Callable[[Sequence[str], str], None]) -> None:
    if train.lr.all is None:
        note(("encoder", "train", "lr"), "must be one number: an encoder has no groups")
    for key in _DENOISING:
        if getattr(train, key) != Train.model_fields[key].default:
            note(("encoder", "train", key), "has no effect on an encoder; set it for conditioner")


def _conditioner(
    model: CellModel,
    specs: Mapping[str, ComponentSpec],
    note: Callable[[Sequence[str], str], None],
) -> None:
    conditioner, pipeline = specs["conditioner"], specs["pipeline"]
    refused = set(conditioner.meta.get("provides", ())) - set(pipeline.meta.get("accepts", ()))
    if refused:
        note(
            ("conditioner",),
            f"conditioner {conditioner.name!r} provides {', '.join(sorted(refused))}, which "
            f"pipeline {pipeline.name!r} does not accept",
        )
    size = _value(pipeline, model.pipeline.params, "image_size")
    if _is_number(size) and (size < _LATENT_FACTOR or size % _LATENT_FACTOR):
        path = ("pipeline", "params", "image_size")
        note(path, f"must be a multiple of {_LATENT_FACTOR} pixels, got {size}")
    scheduler, known = model.pipeline.sample.scheduler, pipeline.meta.get("schedulers", ())
    if scheduler is not None and scheduler not in known:
        hint = did_you_mean(scheduler, known)
        note(
            ("pipeline", "sample", "scheduler"),
            f"unknown scheduler {scheduler!r}. {hint}Known: {', '.join(known)}",
        )
    rates = model.conditioner.train.lr
    if rates.all is None:
        for group in _trained_groups(conditioner, model.conditioner.params):
            if getattr(rates, group) is None:
                note(
                    ("conditioner", "train", "lr"),
                    f"has no rate for {group!r}, which conditioner {conditioner.name!r} trains",
                )


def _trained_groups(spec: ComponentSpec, params: Mapping[str, Any]) -> list[str]:
    groups = ["projection"]
    if _value(spec, params, "text_encoder") == "trained":
        groups.append("text_encoder")
    opened = _OPENED.get(str(_value(spec, params, "opens")))
    return groups if opened is None else [*groups, opened]


def _metrics(
    model: CellModel,
    objective: ComponentSpec,
    metrics: Sequence[ComponentSpec],
    note: Callable[[Sequence[str | int], str], None],
) -> None:
    made = _MADE | ({"logits"} if objective.meta.get("target") == "label" else set())
    labels: dict[str, int] = {}
    for index, (spec, block) in enumerate(zip(metrics, model.metrics, strict=True)):
        label = block.label or spec.name
        if labels.setdefault(label, index) != index:
            note(("metrics", index), f"two metrics are called {label!r}; give one a 'label'")
        for need in sorted(set(spec.meta.get("needs", ())) - made):
            reason = (
                f"objective {objective.name!r} does not make"
                if need == "logits"
                else "nothing makes"
            )
            note(("metrics", index), f"metric {spec.name!r} needs {need}, which {reason}")


def _controls(
    model: CellModel,
    encoder: ComponentSpec,
    note: Callable[[Sequence[str | int], str], None],
) -> None:
    for index, control in enumerate(model.controls):
        if control not in CONTROLS:
            hint = did_you_mean(control, CONTROLS)
            known = f"Known controls: {', '.join(CONTROLS)}"
            note(("controls", index), f"unknown control {control!r}. {hint}{known}")
        elif control in model.controls[:index]:
            note(("controls", index), f"{control!r} is listed twice")
    if "class_label" in model.controls:
        tokens = encoder.meta.get("tokens", ())
        shape = [
            _value(encoder, model.encoder.params, t) if isinstance(t, str) else t for t in tokens
        ]
        if len(shape) != 2 or not all(isinstance(size, int) for size in shape):
            note(
                ("controls", model.controls.index("class_label")),
                f"'class_label' needs the token shape of encoder {encoder.name!r}, whose mark "
                f"says tokens={tokens!r}",
            )


def _value(spec: ComponentSpec, params: Mapping[str, Any], name: str) -> Any:
    """Return a parameter as the component will get it; None where it has no such parameter."""
    parameter = spec.parameter(name)
    return None if parameter is None else params.get(name, parameter.default)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def deep_check(recipe: Recipe) -> None:
    """Build each distinct combination of parts in a tiny size and push one batch through it."""
    raise NotImplementedError
