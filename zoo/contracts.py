"""What the parts of the zoo promise each other: the dataclasses they exchange and their Protocols.

Shape legend (tensor names carry it as a suffix, ``eeg_BCT``, ``tokens_BLD``):

==  ==================================  ==  ==========================
B   batch                               C   EEG channels (``n_chans``)
T   time samples (``n_times``)          L   tokens (``n_tokens``)
D   token width (``embed_dim``)         M   denoiser tokens
N   trials                              K   images per trial
H W pixels                              h w latent size
==  ==================================  ==  ==========================
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from registry.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import torch
    from torch import Tensor

#: Columns of `Trials.table`, in order. ``subject`` counts from 0 in the order of the data set;
#: ``subject_name`` is what the data set calls it; ``onset`` is in seconds within the run.
TRIAL_COLUMNS = (
    "trial_id", "subject", "subject_name", "session", "run", "block", "onset", "label", "image_id",
)  # fmt: skip


class DataError(UserError):
    """The user's data cannot be used as they are: names the file, what is wrong, what to do."""


@dataclass(frozen=True, kw_only=True)
class SignalInfo:
    """What an encoder may know of the EEG before it sees any.

    Parameters
    ----------
    n_chans, n_times : int
        Size of one trial, ``(C, T)``.
    sfreq : float
        Samples per second.
    ch_names : tuple of str
        One name per channel.
    ch_pos : tuple of (x, y, z) or None
        Positions in metres, head coordinates.
    scale : {"microvolt", "z-score"}
        Unit of the prepared, un-normalised array.
    band : (low, high) or None
        Pass band in Hz; None if unfiltered.
    reference : str
        For example "average", "as recorded".
    n_subjects : int
        Subjects in the data set, whether selected or not.
    class_names : tuple of str
        Index = the global label.
    """

    n_chans: int
    n_times: int
    sfreq: float
    ch_names: tuple[str, ...]
    ch_pos: tuple[tuple[float, float, float], ...] | None
    scale: str
    band: tuple[float, float] | None
    reference: str
    n_subjects: int
    class_names: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able dictionary."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> SignalInfo:
        """Build from what `to_json` returned (lists become tuples again)."""
        tupled = dict(data)
        for name in ("ch_names", "class_names", "band"):
            tupled[name] = None if tupled[name] is None else tuple(tupled[name])
        if tupled["ch_pos"] is not None:
            tupled["ch_pos"] = tuple(tuple(xyz) for xyz in tupled["ch_pos"])
        return cls(**tupled)


@dataclass(frozen=True)
class Trials:
    """All prepared trials of a data set.

    Parameters
    ----------
    eeg : array (N, C, T), float32
        Un-normalised; may be memory-mapped. Row i belongs to row i of `table`.
    table : pandas.DataFrame
        The columns `TRIAL_COLUMNS`; ``trial_id`` is unique. Columns of the data set's own may
        follow, for its ``split_of`` (the part of each trial in an official split).
    signal : SignalInfo
    notes : tuple of str
        What a reader of the results must know (trials dropped and why, pairing by category ...).
    image_known : bool
        True where ``image_id`` is the picture that was shown; False where it only is of its class.
    repetitions : array (N,), int64, or None
        How many presentations of its picture were averaged into each trial; None: one.
    """

    eeg: np.ndarray
    table: pd.DataFrame
    signal: SignalInfo
    notes: tuple[str, ...] = ()
    image_known: bool = True
    repetitions: np.ndarray | None = None


@dataclass(frozen=True, kw_only=True)
class PipelineInfo:
    """What a conditioner may know of the denoiser it feeds.

    Parameters
    ----------
    width : int
        Width of the cross-attention input (768 for Stable Diffusion 1.x).
    max_tokens : int
        Tokens that the denoiser's text encoder produces (77 for Stable Diffusion 1.x).
    pooled_width : int or None
        Width of a pooled embedding, where the denoiser takes one.
    accepts : tuple of str
        Fields of `Conditioning` that the denoiser takes.
    prediction_type : {"epsilon", "v_prediction", "sample"}
    text_encoder, tokenizer : callable
        Return the pipeline's own CLIP text model and tokenizer, loaded on the first call.
    """

    width: int
    max_tokens: int
    pooled_width: int | None
    accepts: tuple[str, ...]
    prediction_type: str
    text_encoder: Callable[[], torch.nn.Module]
    tokenizer: Callable[[], Any]


@dataclass(frozen=True, kw_only=True)
class Conditioning:
    """What a denoiser is given besides latents and timestep, under diffusers' keyword names.

    Parameters
    ----------
    encoder_hidden_states : Tensor (B, M, width) or None
    encoder_attention_mask : Tensor (B, M) or None
    class_labels : Tensor (B,) or None
    """

    encoder_hidden_states: Tensor | None = None
    encoder_attention_mask: Tensor | None = None
    class_labels: Tensor | None = None

    def present(self) -> dict[str, Tensor]:
        """Return the fields that are set, as keyword arguments for the denoiser."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    def map(self, function: Callable[[Tensor], Tensor]) -> Conditioning:
        """Apply `function` to every tensor that is set (``lambda t: t.to(device)``, ``t[:4]``)."""
        return replace(self, **{name: function(value) for name, value in self.present().items()})

    def where(self, keep_B: Tensor, other: Conditioning) -> Conditioning:
        """Take each sample from self where `keep_B` (bool) is true, else from `other`."""
        theirs = other.present()

        def pick(name: str, mine: Tensor) -> Tensor:
            shaped = keep_B.view(-1, *[1] * (mine.dim() - 1))
            return mine.where(shaped, theirs[name])

        return replace(self, **{name: pick(name, mine) for name, mine in self.present().items()})


@dataclass(frozen=True)
class Pairs:
    """The score of what came out of every trial against everything that trials saw.

    Parameters
    ----------
    scores_NT : array (N, T)
        Of trial i against target t; ``scores_NT[i, target_N[i]]`` is trial i's ``per_sample``.
    target_N : array (N,), int64
        Which target a trial really had.
    of : {"class", "image"}
        Whether targets are classes (columns in the order of ``class_names``) or distinct pictures
        (in the order of ``MetricInputs.seen``).
    """

    scores_NT: np.ndarray
    target_N: np.ndarray
    of: str


@dataclass(frozen=True, kw_only=True)
class TowerOutput:
    """What one frozen image tower makes of the pictures drawn and of those seen.

    Parameters
    ----------
    name, definition : str
        Of the tower.
    drawn : array (N, K, F), float32
        Features, or class scores, of the generated pictures. May be memory-mapped.
    seen : array (T, F), float32
        Of the distinct pictures that the trials saw, rows as in ``MetricInputs.seen``.
    """

    name: str
    definition: str
    drawn: np.ndarray
    seen: np.ndarray


@dataclass(frozen=True, kw_only=True)
class MetricResult:
    """One figure with everything a reader needs to trust it.

    Parameters
    ----------
    value : float or None
        None: not computed, see `reason`.
    definition : str
        One sentence: what was counted, on what, against what.
    n : int
        Independent units behind the value.
    unit : str
        What one of them is ("trial", "image", "run", "subject").
    split : str
        The split it was computed on.
    ci95 : (low, high) or None
    per_sample : array (N,) or None
        Score of each trial, in the order of the inputs (images of a trial averaged first).
    chance : float or None
        Expected value without information.
    reason : str or None
        Why there is no value: "not computed: needs ...".
    pairs : Pairs or None
        What `per_sample` would be had each trial seen something else; from it the zoo works out
        what the EEG contributes.
    beside : dict
        Figures that have to be read with this one: words -> number.
    table : sequence of dict or None
        Measurements that belong to the figure, JSON-able rows: ``measure``, ``layer`` (int or
        None), ``when`` ("before" or "after" training), ``value``, ``ci95`` ([low, high] or None),
        ``n``, ``unit``, ``split``, ``definition``.
    """

    value: float | None
    definition: str
    n: int = 0
    unit: str = "trial"
    split: str = "test"
    ci95: tuple[float, float] | None = None
    per_sample: np.ndarray | None = None
    chance: float | None = None
    reason: str | None = None
    pairs: Pairs | None = None
    beside: dict[str, float] = field(default_factory=dict)
    table: Sequence[dict[str, Any]] | None = None


@dataclass(frozen=True, kw_only=True)
class MetricInputs:
    """What a metric may need; the fields its ``needs`` do not name are None.

    Parameters
    ----------
    trial_id, subject, run, image_id : arrays (N,)
        ``run`` is "session/run" where the data set has sessions: two sessions share no run.
    label : array (N,), int64
        Global class index.
    class_names : tuple of str
    trained_classes : tuple of int
        Classes that had training trials.
    split : str
    seed : int
        For bootstrap draws.
    image_known : bool
        True where the exact image of a trial is known (then intervals cluster by image).
    repetitions : array (N,), int64, or None
        How many presentations were averaged into the EEG of each trial; None: one.
    logits : array (N, n_outputs) or None
    similarity : array (N, candidates) or None
        Of each trial's EEG embedding to the image features of each candidate picture.
    candidates : array of str (candidates,) or None
        Image ids, the columns of `similarity`: all distinct pictures of the split.
    tower : str or None
        What made the image features, in words.
    generated : array (N, K, 3, H, W), uint8, or None
        May be memory-mapped.
    seen : array (T, 3, H, W), uint8, or None
        The distinct pictures that the trials saw, in the order of their sorted ids, at the size
        of the generated ones.
    target : array (N,), int64, or None
        Which of `seen` each trial saw.
    features, scores : TowerOutput or None
        Features, or class scores, by the tower that the metric's parameter ``tower`` names.
    tower_missing : str or None
        Why there are none: what is missing and how to get it.
    judge_logits : array (N, K, n_classes) or None
        The judge's scores of the generated images, columns in the order of `class_names`.
    judge : dict or None
        ``judge.json``: kind, accuracy, n, how it was trained; or {"reason": ...} where missing.
    train_images : array (I, 3, H, W), uint8, or None
        The distinct training images.
    gap : dict or None
        ``gap.json``: ``text_encoder`` (in words) and ``rows`` (as in `MetricResult.table`); or
        {"reason": ...} where there is nothing to compare.
    """

    trial_id: np.ndarray
    subject: np.ndarray
    run: np.ndarray
    image_id: np.ndarray
    label: np.ndarray
    class_names: tuple[str, ...]
    trained_classes: tuple[int, ...]
    split: str
    seed: int
    image_known: bool = True
    repetitions: np.ndarray | None = None
    logits: np.ndarray | None = None
    similarity: np.ndarray | None = None
    candidates: np.ndarray | None = None
    tower: str | None = None
    generated: np.ndarray | None = None
    seen: np.ndarray | None = None
    target: np.ndarray | None = None
    features: TowerOutput | None = None
    scores: TowerOutput | None = None
    tower_missing: str | None = None
    judge_logits: np.ndarray | None = None
    judge: dict[str, Any] | None = None
    train_images: np.ndarray | None = None
    gap: dict[str, Any] | None = None


@runtime_checkable
class Encoder(Protocol):
    """EEG to tokens. Keyword-only constructor with ``n_chans, n_times, sfreq, n_subjects=1,
    ch_names=None`` (and ``ch_pos=None`` where wanted) and its own annotated keywords.
    """

    n_tokens: int
    embed_dim: int

    def forward(self, eeg_BCT: Tensor, subject_B: Tensor) -> Tensor:
        """Return ``tokens_BLD`` float32; `subject_B` is int64, -1 = unseen subject."""
        ...


@runtime_checkable
class Objective(Protocol):
    """Head and loss of encoder training. Constructor: ``n_tokens, embed_dim`` and, where wanted,
    ``n_outputs`` (classes) or ``target_width`` (of image features) + own.

    ``target`` in its mark says what tokens are compared with: "label", or "image", the features
    that the tower named by its parameter ``tower`` gives the picture seen.
    """

    def forward(self, tokens_BLD: Tensor, target: Tensor) -> Tensor:
        """Return the scalar loss; `target` is (B,) labels or (B, target_width) features."""
        ...

    def predict(self, tokens_BLD: Tensor, candidates: Tensor | None = None) -> Tensor:
        """Return logits ``(B, n_outputs)``, or similarities to the features `candidates`."""
        ...


@runtime_checkable
class Conditioner(Protocol):
    """Tokens to `Conditioning`. Constructor: ``n_tokens, embed_dim, pipeline`` + own keywords.

    ``opens`` says what the pipeline must open for training (none, attn2, attn2_lora, unet,
    unet_lora); ``lora_rank`` the rank where it is an adapter. One with deep layers of its own may
    have a method ``checkpoint_gradients()`` that computes them again in the backward pass.

    One that sends the tokens through a text transformer shaped as the pipeline's may have a method
    ``text_layers(tokens_BLD, *, causal=True)``, which the stage ``gap`` reads: a tuple of states
    (B, M, width) at the transformer's input (positions added), after each of its layers, and after
    its last norm, which are the ``encoder_hidden_states`` of `forward`; with ``causal=False`` as
    they were if every state saw every token.
    """

    opens: str
    lora_rank: int

    def set_token_statistics(self, mean_LD: Tensor, std_LD: Tensor) -> None:
        """Store the train mean and standard deviation of the tokens (buffers)."""
        ...

    def forward(
        self, tokens_BLD: Tensor, *, subject_B: Tensor | None = None, generator: Any = None
    ) -> Conditioning:
        """Return the conditioning, sample by sample independent."""
        ...

    def unconditional(self, batch: int) -> Conditioning:
        """Return the same fields and shapes, carrying no EEG (for classifier-free guidance)."""
        ...

    def parameter_groups(self) -> dict[str, list[torch.nn.Parameter]]:
        """Return its trainable parameters by the names that ``train.lr`` knows."""
        ...


class Pipeline(Protocol):
    """Owns the denoiser and its frozen towers; is not a module. Build parameters only.

    ``image_size`` is the side of its pictures in pixels.
    """

    image_size: int

    def load(self, weights_root: Path | None, *, device: str = "cpu") -> None:
        """Read the weights (the only method that touches the disk)."""
        ...

    def info(self) -> PipelineInfo: ...

    def open(self, opens: str, *, lora_rank: int = 8) -> dict[str, list[torch.nn.Parameter]]:
        """Make part of the denoiser trainable; return its parameters by ``train.lr`` group."""
        ...

    def checkpoint_gradients(self) -> None:
        """Compute activations again in the backward pass instead of keeping them."""
        ...

    def keep_frozen_in(self, dtype: torch.dtype) -> None:
        """Hold frozen weights in the type that autocast would give them: less memory, same results.

        Called after `open`, for work under autocast of that type alone.
        """
        ...

    def encode_images(self, images_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 images -> mean and standard deviation of their scaled latents (B, c, h, w)."""
        ...

    def denoising_loss(
        self,
        conditioning: Conditioning,
        latents_BChw: Tensor,
        *,
        noise_BChw: Tensor,
        timesteps_B: Tensor,
        snr_gamma: float | None = None,
    ) -> Tensor:
        """Return the denoising loss of each sample, (B,)."""
        ...

    def generate(
        self,
        conditioning: Conditioning,
        unconditional: Conditioning,
        *,
        seeds: Sequence[int],
        steps: int,
        guidance_scale: float,
        scheduler: str | None = None,
    ) -> Tensor:
        """Return uint8 images (B, 3, H, W); image i depends on seed i and sample i alone."""
        ...

    def trainable_state(self) -> dict[str, Tensor]:
        """Return what `open` made trainable (the adapter alone for LoRA)."""
        ...

    def load_trainable_state(self, state: dict[str, Tensor]) -> None: ...


class Dataset(Protocol):
    """EEG trials with their images. Parameters in the constructor, the root in the methods.

    One that uses few of the pictures in a large ``--image-root`` may have a method
    ``pictures_fingerprint(image_root)``, a hash of those; else names, sizes and times of all count.
    """

    def fingerprint(self, root: Path | None) -> str:
        """Return a string that changes when the source files change (cheap)."""
        ...

    def signal(self, root: Path | None) -> SignalInfo: ...

    def load(self, root: Path | None, image_root: Path | None = None) -> Trials:
        """Return every trial of the prepared signal, un-normalised, in a fixed order.

        `image_root` holds the pictures where they do not lie beside the recordings.
        """
        ...

    def split_of(self, table: pd.DataFrame) -> np.ndarray:
        """Return "train", "val", "test" or "" (unused) for each row of `table`."""
        ...

    def images(
        self, image_ids: Sequence[str], root: Path | None, image_root: Path | None = None
    ) -> np.ndarray:
        """Return the images, uint8 (I, 3, H, W), square, native or 64 pixels."""
        ...


class Metric(Protocol):
    """A figure of merit. ``needs`` in its mark says which `MetricInputs` fields it reads."""

    def compute(self, inputs: MetricInputs) -> MetricResult: ...
