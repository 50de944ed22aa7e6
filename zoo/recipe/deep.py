"""`deep_check`: build the parts of every cell in a tiny size and push one batch through them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from zoo.recipe.cells import Block, Cell, Recipe
from zoo.recipe.errors import RecipeError
from zoo.registries import REGISTRIES

#: Trials of the batch, the classes they are of, and the width of their pictures' features.
BATCH, CLASSES, WIDTH = 4, 3, 8


class _Failed(Exception):
    """A part of a cell does not work."""


def deep_check(
    recipe: Recipe, *, weights: str = "pocket", weights_root: Path | None = None
) -> None:
    """Build every component, push one batch through each distinct chain from EEG to denoiser.

    Data set and metrics are built as they are. The other parts are built from the recipe's
    parameters, made small by each component's ``tiny``; the EEG is noise; the denoiser's weights
    are the small ones that ship. One batch goes from the EEG to the gradient of the denoising
    loss. Imports torch and diffusers.

    Parameters
    ----------
    recipe : Recipe
    weights, weights_root : str, Path
        Other weights to try the conditioners on.

    Raises
    ------
    RecipeError
        One line for each combination that fails.
    """
    problems = []
    pushed = {cell.id for cell in _distinct(recipe.cells)}
    for cell in recipe.cells:
        within = "" if cell.id == "cell" else f" [{cell.id}]"
        try:
            _construct(cell)
            if cell.id in pushed:
                _push(cell, weights, weights_root)
        except _Failed as failure:
            problems.append(f"{recipe.path}{within} {failure}")
    if problems:
        raise RecipeError(problems)


def _construct(cell: Cell) -> None:
    """Build data set and metrics as they are: constructors read nothing, and may refuse values."""
    for kind, blocks in (("dataset", (cell.dataset,)), ("metric", cell.metrics)):
        for block in blocks:
            with _blamed(kind, block.name):
                REGISTRIES[kind].create(block.name, **block.params)


def _distinct(cells: tuple[Cell, ...]) -> list[Cell]:
    """Return the cells without those whose parts are built like an earlier one's."""
    seen: dict[str, Cell] = {}
    for cell in cells:
        objective = cell.encoder.train["objective"]
        blocks = [(b.name, b.params) for b in (cell.encoder, cell.conditioner, cell.pipeline)]
        seen.setdefault(json.dumps([*blocks, objective], sort_keys=True), cell)
    return list(seen.values())


def _push(cell: Cell, weights: str, weights_root: Path | None) -> None:
    import torch

    from zoo.contracts import SignalInfo
    from zoo.seeds import torch_generator
    from zoo.stages._context import Context
    from zoo.stages._drawing import build
    from zoo.stages._encoder import build_encoder, build_objective

    signal = SignalInfo(
        n_chans=8,
        n_times=256,
        sfreq=256.0,
        ch_names=tuple(f"E{i}" for i in range(8)),
        ch_pos=None,
        scale="z-score",
        band=None,
        reference="as recorded",
        n_subjects=1,
        class_names=tuple(f"class {i}" for i in range(CLASSES)),
    )
    generator = torch_generator(0, "deep check")
    eeg_BCT = torch.randn(BATCH, signal.n_chans, signal.n_times, generator=generator)
    label_B = torch.arange(BATCH) % CLASSES

    with _blamed("encoder", cell.encoder.name):
        encoder: Any = build_encoder(_tiny("encoder", cell.encoder), signal, seed=0)
        tokens_BLD = encoder(eeg_BCT, torch.zeros(BATCH, dtype=torch.int64))
        shape = (BATCH, encoder.n_tokens, encoder.embed_dim)
        _require(
            tokens_BLD.shape == shape, f"returned tokens {tuple(tokens_BLD.shape)}, not {shape}"
        )
    written = cell.encoder.train["objective"]
    with _blamed("objective", written["name"]):
        objective = build_objective(
            _tiny("objective", Block(**written)),
            n_tokens=encoder.n_tokens,
            embed_dim=encoder.embed_dim,
            supplied={"n_outputs": CLASSES, "target_width": WIDTH},
            seed=0,
        )
        target = label_B
        if REGISTRIES["objective"].spec(written["name"]).meta.get("target") == "image":
            target = torch.randn(BATCH, WIDTH, generator=generator)
        _backward(objective(tokens_BLD, target))
    with _blamed("conditioner", f"{cell.conditioner.name} on {cell.pipeline.name}"):
        pipeline_block = _tiny("pipeline", cell.pipeline)
        if "weights" in pipeline_block["params"]:
            pipeline_block["params"]["weights"] = weights
        params = {
            "conditioner": _tiny("conditioner", cell.conditioner),
            "pipeline": pipeline_block,
            "seed": 0,
        }
        context = Context(
            data_root=None,
            image_root=None,
            weights_root=weights_root,
            device="cpu",
            threads=None,
            work=Path(),
        )
        conditioner, pipeline, _ = build(
            params, context, n_tokens=encoder.n_tokens, embed_dim=encoder.embed_dim
        )
        tokens_BLD = tokens_BLD.detach()
        conditioner.set_token_statistics(tokens_BLD.mean(0), tokens_BLD.std(0))
        given = conditioner.forward(tokens_BLD)
        side = pipeline_block["params"].get("image_size", 64)
        images_BCHW = torch.randint(0, 256, (BATCH, 3, side, side), generator=generator)
        latents_BChw, _ = pipeline.encode_images(images_BCHW.to(torch.uint8))
        keep_B = torch.arange(BATCH) > 0
        loss_B = pipeline.denoising_loss(
            given.where(keep_B, conditioner.unconditional(BATCH)),
            latents_BChw,
            noise_BChw=torch.randn(latents_BChw.shape, generator=generator),
            timesteps_B=torch.full((BATCH,), 500),
        )
        _backward(loss_B.mean())


def _tiny(kind: str, block: Block) -> dict[str, Any]:
    """Return name and parameters, the component's small ones on top."""
    tiny = REGISTRIES[kind].spec(block.name).meta.get("tiny", {})
    return {"name": block.name, "params": {**asdict(block)["params"], **tiny}}


def _backward(loss: Any) -> None:
    _require(bool(loss.isfinite()), f"its loss on noise is {loss.item()}")
    loss.backward()


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ValueError(otherwise)


@contextmanager
def _blamed(kind: str, name: str) -> Iterator[None]:
    """Turn any failure inside into one sentence about a component; the cause is chained."""
    try:
        yield
    except Exception as error:  # a component may fail in any way
        what = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        blamed = f"{kind} {name!r}"
        raise _Failed(what if what.startswith(blamed) else f"{blamed}: {what}") from error
