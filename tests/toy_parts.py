"""Toy components for the engine's tests: a few numbers in place of EEG, pictures and weights."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from registry import BadParameters, component


@component(
    "dataset", leakage="Toy data leak nothing.", independent="run", needs_root=False,
    per_subject=False, judge="toy",
)  # fmt: skip
class ToyData:
    """Twelve trials of two classes."""

    def __init__(
        self,
        *,
        band: Sequence[float] | None = None,
        n: int = 12,
        subjects: Sequence[int] | None = None,
        split: str = "half",
        limit: int | None = None,
        normalise: str = "channel",
        shuffle_labels: bool = False,
    ):
        if split not in ("half", "third"):
            raise BadParameters(f"dataset 'toy_data': split is {split!r}")
        self.n = n

    def fingerprint(self, root: Path | None) -> str:
        if root is None:
            return "made up"
        return hashlib.sha256((root / "eeg.txt").read_bytes()).hexdigest()

    def images(
        self, image_ids: Sequence[str], root: Path | None = None, image_root: Path | None = None
    ) -> np.ndarray:
        return np.stack([np.full((3, 8, 8), len(i), np.uint8) for i in image_ids])


@component("dataset", leakage="Toy data leak nothing.", independent="run", needs_root=True)
class RootedData(ToyData):
    """The same, from files."""

    def __init__(
        self,
        *,
        band: Sequence[float] | None = None,
        n: int = 12,
        subjects: Sequence[int] | None = None,
        split: str = "half",
        limit: int | None = None,
        normalise: str = "channel",
        shuffle_labels: bool = False,
    ):
        super().__init__(n=n)


@component("encoder", tokens=("n_tokens", 4))
class ToyEncoder:
    """Nothing learns here."""

    def __init__(self, *, n_chans: int, n_tokens: int = 2, rate: float = 0.5, power: int = 1): ...


@component("objective", target="label")
class ToyObjective:
    """Nothing is lost here."""

    def __init__(self, *, n_outputs: int): ...


@component("conditioner", training="denoise")
class ToyConditioner:
    """Nothing is conditioned here."""

    def __init__(self, *, n_tokens: int, embed_dim: int): ...


@component("pipeline", accepts=("encoder_hidden_states",))
class ToyPipeline:
    """Nothing is drawn here."""

    def __init__(self, *, image_size: int = 8): ...


@component("metric", needs=("logits", "label"))
class ToyAccuracy:
    """Of the encoder alone."""

    def __init__(self, *, top: int = 1): ...


@component("metric", needs=("generated", "judge", "label"))
class ToyImageAccuracy:
    """Of the pictures."""


PARTS: dict[str, dict[str, type[Any]]] = {
    "dataset": {"toy_data": ToyData, "rooted_data": RootedData},
    "encoder": {"toy_encoder": ToyEncoder},
    "objective": {"toy_objective": ToyObjective},
    "conditioner": {"toy_conditioner": ToyConditioner},
    "pipeline": {"toy_pipeline": ToyPipeline},
    "metric": {"toy_accuracy": ToyAccuracy, "image_class_accuracy_of_toys": ToyImageAccuracy},
}
