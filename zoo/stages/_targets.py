"""What an encoder is trained towards: labels, or the features of the pictures seen.

Each kind says what the loss is given for a trial, how well validation trials do, and what is
published of the answers.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.contracts import DataError


@dataclass(frozen=True)
class LabelTarget:
    """Class labels; the objective's `predict` gives logits, published for every trial.

    Parameters
    ----------
    label, split : arrays (N,)
        Of every selected trial.
    class_names : tuple of str
    """

    label: np.ndarray
    split: np.ndarray
    class_names: tuple[str, ...]

    score: ClassVar[str] = "val_accuracy"
    definition: ClassVar[str] = (
        "mean over the classes of the share of validation trials decoded correctly"
    )

    def supplied(self) -> dict[str, int]:
        """Return what the objective's constructor may want to know."""
        return {"n_outputs": len(self.class_names)}

    def require_trainable(self) -> None:
        """Raise DataError where fewer than two classes have training trials."""
        trained = self.trained_classes()
        if len(trained) < 2:
            known = [self.class_names[k] for k in trained]
            raise DataError(
                f"the training split holds {int((self.split == 'train').sum())} trials of "
                f"{len(known)} class(es) ({', '.join(known) or 'none'}); an encoder needs at "
                "least two: choose another split, or more subjects or runs"
            )

    def trained_classes(self) -> np.ndarray:
        """Return the classes that have training trials."""
        return np.unique(self.label[self.split == "train"])

    def of(self, part: str) -> Tensor:
        """Return the labels of the trials of one split, int64."""
        return torch.from_numpy(self.label[self.split == part].astype(np.int64))

    def validate(self, objective: nn.Module, tokens_NLD: Tensor) -> dict[str, float]:
        """Return score and loss of the validation trials, given their tokens."""
        label_N = self.of("val")
        logits_NK = objective.predict(tokens_NLD).detach().cpu()
        right = (logits_NK.argmax(1) == label_N).numpy()
        recalls = [right[label_N.numpy() == k].mean() for k in np.unique(label_N.numpy())]
        loss = F.cross_entropy(logits_NK, label_N)
        return {self.score: float(np.mean(recalls)), "val_loss": float(loss)}

    def answered(self) -> np.ndarray:
        """Return the mask of the trials whose answers are published: all."""
        return np.ones(len(self.split), bool)

    def answers(self, objective: nn.Module, tokens_NLD: Tensor) -> Tensor:
        """Return the logits (N, n_outputs)."""
        return objective.predict(tokens_NLD)

    def publish(self, answers_NK: np.ndarray, trial_id: np.ndarray, out: Path) -> None:
        """Write ``logits.npy``."""
        assert len(trial_id) == len(answers_NK)
        np.save(out / "logits.npy", answers_NK)

    def facts(self) -> dict[str, Any]:
        """Return what ``encode.json`` says of the target."""
        trained = set(self.trained_classes().tolist())
        lacking = [name for k, name in enumerate(self.class_names) if k not in trained]
        return {"classes_without_training_trials": lacking}


@dataclass(frozen=True)
class ImageTarget:
    """Features of the pictures seen; `predict` gives similarities to candidate pictures.

    Published are the similarities of the test trials to all distinct pictures of the test split.

    Parameters
    ----------
    image_id, split : arrays (N,)
        Of every selected trial.
    feature_NF : Tensor (N, F)
        Of the picture of every selected trial.
    tower : dict
        Name and definition of what made the features.
    """

    image_id: np.ndarray
    split: np.ndarray
    feature_NF: Tensor
    tower: dict[str, str]

    score: ClassVar[str] = "val_mrr"
    definition: ClassVar[str] = (
        "mean over the validation trials of 1 / rank of the trial's own picture among the "
        "distinct pictures of the validation split; equally similar pictures share their mean rank"
    )

    @classmethod
    def read(cls, features: Path, image_id: np.ndarray, split: np.ndarray) -> ImageTarget:
        """Read what the image tower published."""
        ids = json.loads((features / "image_ids.json").read_text())
        place = {name: row for row, name in enumerate(ids)}
        feature_IF = load_file(features / "features.safetensors")["image"]
        rows = [place[str(name)] for name in image_id]
        tower = json.loads((features / "tower.json").read_text())
        return cls(image_id, split, feature_IF[rows], tower)

    def supplied(self) -> dict[str, int]:
        """Return what the objective's constructor may want to know."""
        return {"target_width": self.feature_NF.shape[1]}

    def require_trainable(self) -> None:
        """Raise DataError where the training trials saw fewer than two pictures."""
        shown = np.unique(self.image_id[self.split == "train"])
        if len(shown) < 2:
            raise DataError(
                f"the training split shows {len(shown)} picture(s); aligning EEG with pictures "
                "needs at least two: choose another split, or more subjects or runs"
            )

    def of(self, part: str) -> Tensor:
        """Return the features of the pictures of one split's trials, float32."""
        return self.feature_NF[torch.from_numpy(self.split == part)]

    def validate(self, objective: nn.Module, tokens_NLD: Tensor) -> dict[str, float]:
        """Return scores and loss of the validation trials, given their tokens."""
        _, candidate_KF, own_N = self.candidates("val")
        candidates = candidate_KF.to(tokens_NLD.device)
        similarity_NK = objective.predict(tokens_NLD, candidates).detach().cpu()
        own_N1 = torch.from_numpy(own_N)[:, None]
        similarity_N1 = similarity_NK.gather(1, own_N1)
        ahead_N = (similarity_NK > similarity_N1).sum(1)
        tied_N = (similarity_NK == similarity_N1).sum(1)  # its own among them
        rank_N = 1 + ahead_N + (tied_N - 1) / 2
        rank_N[~similarity_NK.isfinite().all(1)] = torch.nan
        top_N = ((1 - ahead_N).clamp(min=0) / tied_N).where(rank_N.isfinite(), torch.nan)
        return {
            self.score: float((1 / rank_N).mean()),
            "val_top1": float(top_N.mean()),
            "val_loss": float(F.cross_entropy(similarity_NK, own_N1[:, 0])),
        }

    def candidates(self, part: str) -> tuple[np.ndarray, Tensor, np.ndarray]:
        """Return the distinct pictures of a split, their features, and each trial's own one."""
        here = np.flatnonzero(self.split == part)
        ids, first, own_N = np.unique(self.image_id[here], return_index=True, return_inverse=True)
        return ids, self.feature_NF[torch.from_numpy(here[first])], own_N

    def answered(self) -> np.ndarray:
        """Return the mask of the trials whose answers are published: those of the test."""
        return self.split == "test"

    def answers(self, objective: nn.Module, tokens_NLD: Tensor) -> Tensor:
        """Return the similarities (N, K) to the pictures of the test split."""
        _, candidate_KF, _ = self.candidates("test")
        return objective.predict(tokens_NLD, candidate_KF.to(tokens_NLD.device))

    def publish(self, answers_NK: np.ndarray, trial_id: np.ndarray, out: Path) -> None:
        """Write ``similarity.npy``, ``similarity_ids.npy`` (trials) and ``candidates.json``."""
        ids, _, _ = self.candidates("test")
        assert answers_NK.shape == (len(trial_id), len(ids)), answers_NK.shape
        np.save(out / "similarity.npy", answers_NK)
        np.save(out / "similarity_ids.npy", trial_id)
        facts = {"image_ids": [str(name) for name in ids], "tower": self.tower}
        (out / "candidates.json").write_text(json.dumps(facts))

    def facts(self) -> dict[str, Any]:
        """Return what ``encode.json`` says of the target."""
        return {"tower": self.tower, "candidates": len(self.candidates("test")[0])}


Target = LabelTarget | ImageTarget
