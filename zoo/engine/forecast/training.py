"""What training and drawing will take, said before anything is loaded: memory and time.

From the headers of the weights' files and the recipe alone; the models are stated at each constant
and in docs/benchmarks.md, with what was measured against them. Nothing here changes a result.
"""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.conditioners._size import projection_numbers
from zoo.engine.forecast.sizes import steps_of
from zoo.engine.roots import Roots
from zoo.engine.token_shape import token_shape
from zoo.pipelines._shapes import Denoiser, read_shapes
from zoo.recipe.cells import Block, Cell
from zoo.recipe.errors import RecipeError
from zoo.registries import CONDITIONERS

#: A process that has imported everything (CPU only; a GPU holds none of it).
LIBRARIES = 0.85e9
#: What the backward pass keeps, in units of what maps and norms are given.
KEPT = 1.25
#: The share of it that is kept, or computed again at one time, with gradient checkpointing.
KEPT_BY_CHECKPOINTS = 0.35
#: Bytes that AdamW reads and writes for a parameter, and how many a core moves in a second.
OPTIMISER_BYTES, BYTES_PER_SECOND = 40.0, 1e10
#: Speed of training in units of NumPy's fp32 matrix product on the same threads.
SPEED_FP32, SPEED_HALF, SPEED_HALF_EMULATED = 0.7, 1.4, 0.45
#: Which processors compute in bfloat16 themselves (Linux's words).
HALF_FLAGS = ("avx512_bf16", "amx_bf16")

#: Operations of an encoder for each number of a trial, as if it were 40 filters of 25 samples, and
#: its speed. Those that ship take from a quarter to twice as long; `eeg_channel_net` takes longer.
ENCODER_FLOPS, SPEED_ENCODER = 2.0 * 40 * 25, 0.1

_CROSS = r"\.attn2\.(to_q|to_k|to_v|to_out\.0)\.weight$"
#: What can be opened in the denoiser -> group of ``train.lr``, pattern of names, whether adapters.
OPENED: dict[str, tuple[str, str, bool]] = {
    "attn2": ("attn2", r"\.attn2\.", False),
    "unet": ("unet", "", False),
    "attn2_lora": ("lora", _CROSS, True),
    "unet_lora": ("lora", _CROSS.replace("attn2", "attn[12]"), True),
}


@dataclass(frozen=True)
class Forecast:
    """What one training will take.

    Parameters
    ----------
    parameters : dict
        Trained numbers by group of ``train.lr``.
    memory : float
        Bytes at the highest point: of the process on a CPU, else of the device.
    flops : float
        Operations of one step.
    steps : int or None
        None where the number of trials is not known yet.
    seconds_per_step : float or None
        None where the speed is not known (devices other than the CPU).
    """

    parameters: dict[str, int]
    memory: float
    flops: float
    steps: int | None
    seconds_per_step: float | None

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able dictionary, with the seconds of all steps."""
        known = self.steps is not None and self.seconds_per_step is not None
        return {
            "parameters": self.parameters,
            "memory_bytes": round(self.memory),
            "flops_per_step": round(self.flops),
            "steps": self.steps,
            "seconds_per_step": self.seconds_per_step,
            "seconds": self.steps * self.seconds_per_step if known else None,  # type: ignore[operator]
        }


def forecast(
    cell: Cell, shapes: Denoiser, *, n_trials: int | None, device: str, matmul: float | None
) -> Forecast:
    """Return what training the conditioner of `cell` will take.

    Parameters
    ----------
    cell : Cell
    shapes : Denoiser
        Of its weights, at its size of pictures.
    n_trials : int or None
        Training trials, where known.
    device : str
    matmul : float or None
        Operations per second of a large fp32 matrix product, where known.
    """
    train, params = cell.conditioner.train, cell.conditioner.params
    trained = parameters(cell, shapes)
    n_trained = sum(trained.values())
    tower = params.get("text_encoder")
    half = train["precision"] != "fp32"
    batch, checkpointing = train["batch_size"], train["checkpointing"]

    opened = sum(n for group, n in trained.items() if group in ("attn2", "unet"))
    frozen = shapes.unet_numbers() - opened
    text = shapes.text_numbers(layers=True) if tower is not None else 0
    own = trained["projection"] + text  # what the conditioner itself is
    held = 4.0 * (opened + own) + (2.0 if half else 4.0) * frozen
    held += 4.0 * sum(n for group, n in trained.items() if group == "lora")
    held += n_trained * (4.0 + 8.0 + (4.0 if train["ema"] is not None else 0) + 2.0 * half)
    given = shapes.unet_activations() + (shapes.text_activations() if tower is not None else 0)
    kept = KEPT * given * batch * (2.0 if half else 4.0)
    memory = held + kept * (KEPT_BY_CHECKPOINTS if checkpointing else 1.0)
    if device == "cpu":
        stock = 4.0 * shapes.text_numbers(layers=False)
        reading = 4.0 * (shapes.unet_numbers() + own) + shapes.file_bytes  # before anything is half
        memory = LIBRARIES + stock + max(memory, reading)

    group, pattern, adapters = OPENED.get(_opens(cell), ("", "^$", True))
    passes = 3.0 if checkpointing else 2.0
    flops = passes * shapes.unet_flops()
    if group and not adapters:
        flops += shapes.map_flops(_named(pattern))
    if tower is not None:
        flops += (passes + (tower == "trained")) * shapes.text_flops()
    flops *= batch * train["accumulate"]

    per_step = None
    if matmul is not None:
        speed = matmul * (_speed_in_half() if half else SPEED_FP32)
        per_step = flops / speed + OPTIMISER_BYTES * n_trained / BYTES_PER_SECOND
    return Forecast(trained, memory, flops, steps_of(train, n_trials), per_step)


def drawing(
    cell: Cell, shapes: Denoiser, *, pictures: int, device: str, matmul: float | None
) -> tuple[float, float | None]:
    """Return the memory (bytes) and the time (seconds, where known) of drawing `pictures`."""
    train, sample = cell.conditioner.train, cell.pipeline.sample
    half = train.get("precision", "fp32") != "fp32"
    numbers = shapes.drawing_numbers
    side = cell.pipeline.params["image_size"]
    memory = (2.0 if half else 4.0) * numbers
    if device == "cpu":
        memory = LIBRARIES + max(memory, 4.0 * numbers) + 2 * 3.0 * side**2 * pictures
    if matmul is None:
        return memory, None
    passes = sample["steps"] * (2 if sample["guidance_scale"] > 1 else 1)
    speed = matmul * (_speed_in_half() if half else SPEED_FP32)
    return memory, pictures * passes * shapes.unet_flops() / speed


def encoding(trained: float, selected: int, shape: tuple[int, int], matmul: float) -> float:
    """Return roughly how many seconds an encoder takes, whichever it is.

    Parameters
    ----------
    trained : float
        How often a trial is trained on.
    selected : int
        Trials whose tokens are written.
    shape : (int, int)
        Channels and samples of a trial.
    matmul : float
        Operations per second of a large fp32 matrix product.
    """
    flops = (3.0 * trained + selected) * math.prod(shape) * ENCODER_FLOPS
    return flops / (SPEED_ENCODER * matmul)


def stored_numbers(cell: Cell, shapes: Denoiser, trained: Mapping[str, int]) -> int:
    """Return the numbers that a trained conditioner is published with, its frozen ones too."""
    whole = sum(trained.values())
    if cell.conditioner.params.get("text_encoder") in ("frozen", "lora"):
        whole += shapes.text_numbers(layers=True)
    return whole


def parameters(cell: Cell, shapes: Denoiser) -> dict[str, int]:
    """Return how many numbers are trained, by group of ``train.lr``.

    Raises
    ------
    RecipeError
        The marks of conditioner or encoder do not say what is opened, or the shape of the tokens.
    """
    n_tokens, embed_dim = token_shape(cell)
    rank = cell.conditioner.params.get("lora_rank", 8)
    found = {"projection": projection_numbers(n_tokens, embed_dim, shapes.n_tokens, shapes.width)}
    tower = cell.conditioner.params.get("text_encoder")
    if tower == "trained":
        found["text_encoder"] = shapes.text_numbers(layers=True)
    elif tower == "lora":
        found["lora"] = shapes.text_lora_numbers(rank)
    opens = _opens(cell)
    if opens != "none":
        group, pattern, adapters = OPENED[opens]
        named = _named(pattern)
        opened = shapes.lora_numbers(named, rank) if adapters else shapes.unet_numbers(named)
        found[group] = found.get(group, 0) + opened
    return found


def matmul_flops(threads: int | None) -> float:
    """Return the operations per second of NumPy's fp32 matrix product (a tenth of a second)."""
    import numpy as np
    import threadpoolctl

    side = 1024
    matrix = np.ones((side, side), np.float32)
    best = float("inf")
    with threadpoolctl.threadpool_limits(threads):
        for _ in range(5):
            began = time.perf_counter()
            matrix @ matrix
            best = min(best, time.perf_counter() - began)
    return 2.0 * side**3 / best


def shapes_of(pipeline: Block, roots: Roots) -> Denoiser:
    """Return the shapes of a pipeline's denoiser, from the headers of its files.

    Raises
    ------
    RecipeError
        The pipeline has no weights of a known layout.
    """
    params = pipeline.params
    if not {"weights", "image_size"} <= params.keys():
        raise RecipeError([f"pipeline {pipeline.name!r} has no weights of a known layout"])
    return read_shapes(params["weights"], roots.weights, params["image_size"])


def _opens(cell: Cell) -> str:
    """Return what the conditioner opens: its parameter, else its mark."""
    spec = CONDITIONERS.spec(cell.conditioner.name)
    opens = cell.conditioner.params.get("opens", spec.meta.get("opens"))
    if opens != "none" and opens not in OPENED:
        raise RecipeError(
            [
                f"conditioner {cell.conditioner.name!r} does not say what it opens: give it a "
                "parameter 'opens', or say opens=... in its mark"
            ]
        )
    return str(opens)


def _named(pattern: str) -> Callable[[str], bool]:
    return lambda name: re.search(pattern, name) is not None


def _speed_in_half() -> float:
    about = Path("/proc/cpuinfo")
    flags = about.read_text() if os.name == "posix" and about.is_file() else ""
    return SPEED_HALF if any(flag in flags for flag in HALF_FLAGS) else SPEED_HALF_EMULATED
