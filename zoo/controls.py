"""Controls: what is drawn beside the real thing, so that its figures can be believed.

Standard library only: recipes are checked against this table without importing torch.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Control:
    """One row of `CONTROLS`.

    Parameters
    ----------
    title : str
        What tables call it.
    about : str
        What is drawn, and what it shows.
    trained : bool
        It trains a conditioner of its own; the others use the real thing's.
    prompted : bool
        The denoiser as it came draws from a text prompt: nothing of the training takes part.
    answers : bool
        It needs the class that the encoder names for each trial.
    """

    title: str
    about: str
    trained: bool = False
    prompted: bool = False
    answers: bool = False


CONTROLS: dict[str, Control] = {
    "shuffled_eeg": Control(
        "shuffled EEG",
        "each test trial gets the EEG of another trial of the same subject, classes ignored: what "
        "is left does not come from the trial's own EEG",
    ),
    "class_label": Control(
        "class label (ceiling)",
        "trained and drawn with a fixed code of the true class in place of the EEG's tokens: the "
        "ceiling that perfect decoding of the class would reach on this path",
        trained=True,
    ),
    "class_prompt": Control(
        "prompt: true class",
        'the denoiser as it came draws "a photo of a <true class>": what stock text to image makes '
        "of perfect decoding",
        prompted=True,
    ),
    "predicted_label": Control(
        "prompt: decoded class",
        'the denoiser as it came draws "a photo of a <decoded class>": what a classifier with a '
        "caption reaches, without any training on pictures",
        prompted=True,
        answers=True,
    ),
    "zero_eeg": Control(
        "zero EEG",
        "every trial gets an EEG that is zero throughout after normalisation",
    ),
    "mean_embedding": Control(
        "mean embedding",
        "every trial gets the mean of the training trials' tokens",
    ),
    "unconditional": Control(
        "unconditional",
        'every trial gets what stands for "no EEG", without guidance: what the denoiser draws '
        "by itself after the training",
    ),
}
