"""Encode: train an encoder on the training trials, keep the best epoch on val, write all tokens."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from registry import ComponentSpec
from registry.errors import UserError
from zoo.contracts import DataError, SignalInfo
from zoo.registries import OBJECTIVES
from zoo.stages._context import Context, Inputs
from zoo.stages._encoder import (
    build_encoder,
    build_objective,
    normalised,
    settle_batch_norm,
    tokens_of,
    tokens_of_each,
)
from zoo.stages._guard import guarded_file, with_guarded
from zoo.stages._lineage import Lineage
from zoo.stages._targets import ImageTarget, LabelTarget, Target
from zoo.training import fit


def run(inputs: Inputs, params: dict[str, Any], out: Path, context: Context) -> None:
    """Train encoder and objective; publish weights, tokens of every selected trial, and answers.

    Parameters
    ----------
    inputs : mapping
        "prepare", "select"; "features" (of an image tower) where the objective is on images;
        "init" (another encode folder) where training starts from it.
    params : dict
        "encoder", "objective" ({"name", "params"}), "train" (resolved block), "seed".
    out : Path
        Receives encoder.safetensors, encoder.json, objective.safetensors, tokens.npy (float16),
        trial_ids.npy, log.csv, encode.json, lineage.npz; logits.npy, or for an objective on images
        similarity.npy (test trials), similarity_ids.npy and candidates.json.
    context : Context

    Raises
    ------
    DataError
        A selected trial holds NaN or infinite values, or fewer than two classes (or pictures)
        can be trained.
    TrainingDiverged
        The loss or the weights became NaN.
    UserError
        The weights to start from do not fit, or the tokens do not fit into float16.
    """
    signal = SignalInfo.from_json(json.loads((inputs["prepare"] / "signal.json").read_text()))
    seed, train = params["seed"], dict(params["train"])
    if context.device == "cpu":
        train["precision"] = "fp32"  # half precision is slower there, and no less exact is wanted
    spec = OBJECTIVES.spec(params["objective"]["name"])
    trials, target = _without_test(*_open(inputs, signal, spec))
    target.require_trainable()
    encoder = build_encoder(params["encoder"], signal, seed=seed)
    objective = build_objective(
        params["objective"],
        n_tokens=encoder.n_tokens,
        embed_dim=encoder.embed_dim,
        supplied=target.supplied(),
        seed=seed,
    )
    if "init" in inputs:
        _load(encoder, inputs["init"] / "encoder.safetensors")
        _load(objective, inputs["init"] / "objective.safetensors")
    encoder.to(context.device)
    objective.to(context.device)

    summary = _train(encoder, objective, trials, target, train, seed, out, context)
    trials, target = _open(inputs, signal, spec)  # only now is there a test
    tokens_NLD, answers_NK = _encode_all(encoder, objective, trials, target, context.device)
    val_N = trials.split == "val"
    val = None
    if val_N.any():
        tokens = tokens_of(encoder, *trials.part(val_N, context.device))
        val = target.validate(objective, tokens)[target.score]

    for name, module in (("encoder", encoder), ("objective", objective)):
        state = {k: v.detach().cpu().contiguous() for k, v in module.state_dict().items()}
        save_file(state, out / f"{name}.safetensors")
    np.save(out / "tokens.npy", tokens_NLD)
    target.publish(answers_NK, trials.trial_id[target.answered()], out)
    np.save(out / "trial_ids.npy", trials.trial_id)
    built = {
        **params["encoder"],
        "objective": params["objective"],
        "signal": signal.to_json(),
        "n_tokens": encoder.n_tokens,
        "embed_dim": encoder.embed_dim,
        "normalise": trials.normalise,
        "mean": trials.mean_C.tolist(),
        "std": trials.std_C.tolist(),
        "trained_subjects": trials.trained_subjects().tolist(),
    }
    _write_json(out / "encoder.json", built)
    steps, best = summary["steps"] > 0, summary["selected"] == "best"
    own = Lineage.of(inputs["select"], trained=steps, chosen=best)
    lineage = own.with_those([Lineage.read(inputs["init"])] if "init" in inputs else [])
    lineage.write(out)
    counts = {part: int((trials.split == part).sum()) for part in ("train", "val", "test")}
    _write_json(
        out / "encode.json",
        {
            target.score: val,
            f"{target.score}_definition": target.definition,
            "selected_epoch": summary["selected_epoch"],
            "selected_on": "val" if summary["selected"] == "best" else None,
            "selected": summary["selected"],
            "epochs": summary["epochs"],
            "steps": summary["steps"],
            "final_loss": summary["final_loss"],
            "seconds": summary["seconds"],
            "trials": counts,
            "depends_on": lineage.facts(own),
            **target.facts(),
            "parameters": {
                "encoder": _count(encoder),
                "objective": _count(objective),
            },
        },
    )


@dataclass(frozen=True)
class _Selected:
    """The selected trials: what is known of each, and the EEG of one split at a time."""

    eeg_PCT: np.ndarray  # all prepared trials, memory-mapped
    rows: np.ndarray
    trial_id: np.ndarray
    label: np.ndarray
    split: np.ndarray
    subject: np.ndarray
    image_id: np.ndarray
    mean_C: np.ndarray
    std_C: np.ndarray
    normalise: str

    @classmethod
    def read(cls, inputs: Inputs, signal: SignalInfo) -> _Selected:
        eeg_PCT = np.load(inputs["prepare"] / "eeg.npy", mmap_mode="r", allow_pickle=False)
        assert eeg_PCT.shape[1:] == (signal.n_chans, signal.n_times), eeg_PCT.shape
        with np.load(inputs["select"] / "select.npz", allow_pickle=False) as select:
            names = ("rows", "trial_id", "label", "split", "subject", "image_id", "mean_C", "std_C")
            fields = {name: select[name] for name in names}
            fields["normalise"] = str(select["normalise"])
        trials = cls(eeg_PCT, **fields)
        trials.require_finite()
        return trials

    def require_finite(self) -> None:
        for part in ("train", "val", "test"):
            rows = self.rows[self.split == part]
            bad = [r for r in rows if not np.isfinite(self.eeg_PCT[r]).all()]
            if bad:
                names = self.trial_id[np.isin(self.rows, bad)]
                others = f" and {len(names) - 1} others" if len(names) > 1 else ""
                raise DataError(
                    f"trial {names[0]}{others} of the {part} split hold(s) NaN or infinite EEG "
                    "values; repair or leave out these trials"
                )

    def trained_subjects(self) -> np.ndarray:
        return np.unique(self.subject[self.split == "train"])

    def part(self, part_N: np.ndarray, device: str) -> tuple[Tensor, Tensor]:
        """Return EEG and subject of the trials chosen by a mask; unseen subjects become -1."""
        eeg_NCT = normalised(
            self.eeg_PCT[self.rows[part_N]], self.normalise, self.mean_C, self.std_C
        )
        subject_N = self.subject[part_N]
        known = np.isin(subject_N, self.trained_subjects())
        subject_N = np.where(known, subject_N, -1).astype(np.int64)
        return torch.from_numpy(eeg_NCT).to(device), torch.from_numpy(subject_N).to(device)


def _open(inputs: Inputs, signal: SignalInfo, objective: ComponentSpec) -> tuple[_Selected, Target]:
    """Return all selected trials, and what the objective compares tokens with."""
    trials = _Selected.read(inputs, signal)
    if objective.meta["target"] == "image":
        return trials, ImageTarget.read(inputs["features"], trials.image_id, trials.split)
    assert objective.meta["target"] == "label", objective.meta["target"]
    return trials, LabelTarget(trials.label, trials.split, signal.class_names)


def _without_test(trials: _Selected, target: Target) -> tuple[_Selected, Target]:
    """Return the same with EEG, labels and pictures of the test out of reach: a `LeakError`."""
    open_N = np.isin(trials.split, ("train", "val"))
    shut = with_guarded(trials, open_N, ("label", "subject", "image_id"))
    eeg_PCT = guarded_file(trials.eeg_PCT, trials.rows[open_N])
    of_target = ("label",) if isinstance(target, LabelTarget) else ("image_id", "feature_NF")
    return replace(shut, eeg_PCT=eeg_PCT), with_guarded(target, open_N, of_target)


def _train(
    encoder: nn.Module,
    objective: nn.Module,
    trials: _Selected,
    target: Target,
    train: dict[str, Any],
    seed: int,
    out: Path,
    context: Context,
) -> dict[str, Any]:
    """Train on the training trials alone: neither loss nor validation can reach a test trial."""
    train_N, val_N = trials.split == "train", trials.split == "val"
    assert not set(trials.rows[train_N]) & set(trials.rows[~train_N]), "the splits overlap"
    device = context.device
    eeg_NCT, subject_N = trials.part(train_N, device)
    wanted_N = target.of("train").to(device)
    val_eeg_NCT, val_subject_N = trials.part(val_N, device)

    def loss(indices: np.ndarray, _batch: int) -> Tensor:
        at = torch.from_numpy(indices).to(device)
        return objective(encoder(eeg_NCT[at], subject_N[at]), wanted_N[at])

    def validate() -> dict[str, float]:
        return target.validate(objective, tokens_of(encoder, val_eeg_NCT, val_subject_N))

    summary = fit(
        groups={"encoder": [*encoder.parameters(), *objective.parameters()]},
        loss=loss,
        n_items=len(eeg_NCT),
        train=train,
        seed=seed,
        state={"encoder": encoder, "objective": objective},
        checkpoint=context.work,
        description="train encoder",
        log=out / "log.csv",
        validate=validate if val_N.any() else None,
        select_by=target.score if val_N.any() else None,
    )
    if summary["steps"]:  # without, the encoder stays another's: nothing of these trials gets in
        settle_batch_norm(encoder, eeg_NCT, subject_N)
    return summary


def _encode_all(
    encoder: nn.Module, objective: nn.Module, trials: _Selected, target: Target, device: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return tokens (float16) of every selected trial, in their order, and the answers (float32)
    of those trials whose answers are published.
    """
    n_selected = len(trials.rows)
    tokens_NLD = np.empty((n_selected, encoder.n_tokens, encoder.embed_dim), np.float16)
    answers: list[np.ndarray] = []
    answered_N = target.answered()
    chunk = 1024
    for start in range(0, n_selected, chunk):
        chosen_N = np.zeros(n_selected, bool)
        chosen_N[start : start + chunk] = True
        tokens = tokens_of_each(encoder, *trials.part(chosen_N, device))
        if not tokens.abs().max() <= np.finfo(np.float16).max:  # NaN is not either
            raise UserError(
                "the encoder's tokens are no numbers or exceed the range of float16; lower train.lr"
            )
        tokens_NLD[start : start + chunk] = tokens.cpu().numpy()
        wanted = torch.from_numpy(answered_N[start : start + chunk]).to(device)
        with torch.no_grad():
            answers.append(target.answers(objective, tokens[wanted]).float().cpu().numpy())
    return tokens_NLD, np.concatenate(answers)


def _load(module: nn.Module, file: Path) -> None:
    try:
        module.load_state_dict(load_file(file))
    except RuntimeError as error:
        raise UserError(
            f"init_from: the weights of {file.name} do not fit ({error}); the two trainings need "
            "the same encoder, parameters, channels, samples and classes"
        ) from error


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _write_json(file: Path, content: dict[str, Any]) -> None:
    file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
