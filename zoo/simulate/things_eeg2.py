"""Files of THINGS-EEG2 as its users have them, made up: same names, keys, types and shapes.

A concept is a drawn class in one colour ("red coffee mug"): some are for training, others, whose
class and colour occur in training but never together, for the zero-shot test. So the test can be
passed by an encoder that reads both. Further concepts, in the full size, are plain cards with a
name and a response of their own.

The responses are those of the data set `pocket`, class and colour and pose, with 63 electrodes; a
repetition differs by its strength and by the ongoing EEG. As in the real files, the EEG is float64,
250 Hz, one second from onset, scaled to unit variance, and ``times`` still counts the baseline.
"""

from __future__ import annotations

import io
import json
import pickle
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from zoo.datasets._background import ongoing
from zoo.datasets._head import Head, build_head
from zoo.datasets._responses import (
    AMPLITUDE_SPREAD,
    class_wavelets,
    common_wavelets,
    exemplar_wavelets,
)
from zoo.datasets._simulated import MARKER
from zoo.datasets._simulation import QUALITY
from zoo.drawings import CLASSES, Factors, draw, sample_factors
from zoo.progress import bar
from zoo.seeds import numpy_rng

#: The 63 channels of the real recordings, in their order.
CH_NAMES = (
    "Fp1", "Fp2", "AF7", "AF3", "AFz", "AF4", "AF8", "F7", "F5", "F3", "F1", "F2",
    "F4", "F6", "F8", "FT9", "FT7", "FC5", "FC3", "FC1", "FCz", "FC2", "FC4", "FC6",
    "FT8", "FT10", "T7", "C5", "C3", "C1", "Cz", "C2", "C4", "C6", "T8", "TP9",
    "TP7", "CP5", "CP3", "CP1", "CPz", "CP2", "CP4", "CP6", "TP8", "TP10", "P7", "P5",
    "P3", "P1", "Pz", "P2", "P4", "P6", "P8", "PO7", "PO3", "POz", "PO4", "PO8",
    "O1", "Oz", "O2",
)  # fmt: skip
N_POSTERIOR = 17  # the last of them
SFREQ, N_TIMES, N_BASELINE = 250.0, 250, 50
SNR = 0.36  # of a single repetition, as in `pocket`
SIDE = 500  # pixels, as the real pictures
BLOCK = 64  # conditions made at once
DRAWN = tuple((k, colour) for k, kind in enumerate(CLASSES) for colour in kind.colours)
#: Of the 39 drawn concepts, every fourth is for the test.
TESTED = DRAWN[::4]
TRAINED = tuple(concept for concept in DRAWN if concept not in TESTED)


@dataclass(frozen=True)
class Size:
    """How much is written.

    Attributes
    ----------
    n_subjects, n_train, images_per_concept, n_test : int
        Subjects, training concepts and their images, test concepts (one image each).
    train_repetitions, test_repetitions : int
    posterior : bool
        17 channels over the back of the head instead of 63.
    """

    n_subjects: int
    n_train: int
    images_per_concept: int
    n_test: int
    train_repetitions: int
    test_repetitions: int
    posterior: bool

    @property
    def ch_names(self) -> tuple[str, ...]:
        """Return the names of the channels."""
        return CH_NAMES[-N_POSTERIOR:] if self.posterior else CH_NAMES

    @property
    def summary(self) -> str:
        """Return one line about it."""
        return (
            f"{self.n_subjects} subjects, {len(self.ch_names)} channels, {self.n_train} training "
            f"concepts with {self.images_per_concept} images {self.train_repetitions} times, "
            f"{self.n_test} test concepts {self.test_repetitions} times"
        )

    @property
    def bytes_written(self) -> int:
        """Return about how much disk the files take."""
        n_images = self.n_train * self.images_per_concept
        trials = n_images * self.train_repetitions + self.n_test * self.test_repetitions
        eeg = self.n_subjects * trials * len(self.ch_names) * N_TIMES * 8
        return eeg + 30_000 * (n_images + self.n_test)

    @property
    def bytes_needed(self) -> int:
        """Return the most disk that is taken while writing."""
        return self.bytes_written


SMALL = Size(2, len(TRAINED), 10, len(TESTED), 4, 80, posterior=True)
FULL = Size(1, 1654, 10, 200, 4, 80, posterior=False)


@dataclass(frozen=True)
class Concept:
    """One concept: its folder, which class's response it evokes, and its pictures' factors.

    Attributes
    ----------
    folder : str
        Such as "00001_blue_canoe".
    response : int
        Number of the class of responses; a card has one of its own.
    factors : list of Factors or None
        One for each picture; None for a card.
    """

    folder: str
    response: int
    factors: list[Factors | None]


def write(out: Path, size: Size, *, seed: int = 0) -> None:
    """Write all files into the folder `out`; the mark comes first."""
    out.mkdir(parents=True, exist_ok=True)
    about = {"dataset": "things_eeg2", "seed": seed, "made_by": "zoo simulate", **vars(size)}
    (out / MARKER).write_text(json.dumps(about, indent=1) + "\n", "utf-8")
    partitions = {
        "training": (_concepts(TRAINED, size.n_train, size.images_per_concept, 0, seed),
                     size.train_repetitions),
        "test": (_concepts(TESTED, size.n_test, 1, size.n_train, seed), size.test_repetitions),
    }  # fmt: skip
    for partition, (concepts, _) in partitions.items():
        _write_pictures(out / f"{partition}_images", concepts, seed)
    head = build_head(CH_NAMES)
    for subject in range(size.n_subjects):
        folder = out / f"sub-{subject + 1:02d}"
        folder.mkdir()
        for partition, (concepts, repetitions) in partitions.items():
            file = folder / f"preprocessed_eeg_{partition}.npy"
            with file.open("wb") as stream:
                _write_recording(
                    stream, size, head, concepts, repetitions, subject, partition, seed
                )


def _concepts(
    drawn: tuple[tuple[int, str], ...], n: int, n_images: int, first_card: int, seed: int
) -> list[Concept]:
    """Return `n` concepts in the order of their names, cards after the drawn ones are used up."""
    named: list[tuple[str, int, list[Factors | None]]] = []
    for k, colour in drawn[:n]:
        name = f"{colour} {CLASSES[k].name}".replace("'", "").replace(" ", "_")
        rngs = [numpy_rng(seed, "things picture", name, i) for i in range(n_images)]
        named.append((name, k, [replace(sample_factors(k, rng), colour=colour) for rng in rngs]))
    for card in range(first_card + len(named), first_card + n):
        named.append((f"object_{card + 1:04d}", len(CLASSES) + card, [None] * n_images))
    return [
        Concept(f"{i:05d}_{name}", response, factors)
        for i, (name, response, factors) in enumerate(sorted(named, key=lambda c: c[0]), 1)
    ]


def _write_pictures(folder: Path, concepts: list[Concept], seed: int) -> None:
    with bar(f"draw {folder.name}", len(concepts), unit="concept") as progress:
        for concept in concepts:
            (folder / concept.folder).mkdir(parents=True)
            name = concept.folder.partition("_")[2]
            for i, factors in enumerate(concept.factors):
                file = folder / concept.folder / f"{name}_{i + 1:02d}s.jpg"
                if factors is None:
                    picture = _card(name, numpy_rng(seed, "card", name, i))
                else:
                    picture = Image.fromarray(draw(factors, 128).transpose(1, 2, 0))
                    picture = picture.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
                picture.save(file, "JPEG", quality=85)
            progress.update()


def _card(text: str, rng: np.random.Generator) -> Image.Image:
    """Return the words in the middle of a plain, light ground; each card has its own shade."""
    card = Image.new("RGB", (SIDE, SIDE), tuple(rng.integers(190, 240, 3).tolist()))
    ImageDraw.Draw(card).multiline_text(
        (SIDE / 2, SIDE / 2), text.replace("_", "\n"), (40, 44, 52), ImageFont.load_default(64),
        anchor="mm", align="center",
    )  # fmt: skip
    return card


def _write_recording(
    stream: BinaryIO,
    size: Size,
    head: Head,
    concepts: list[Concept],
    repetitions: int,
    subject: int,
    partition: str,
    seed: int,
) -> None:
    """Write one partition of one subject, block by block: memory never holds the file."""
    evoked_ICT = _evoked(size, head, concepts, subject, seed)
    shape = (len(evoked_ICT), repetitions, len(size.ch_names), N_TIMES)
    times = (np.arange(N_BASELINE + N_TIMES) - N_BASELINE) / SFREQ
    gain_CS = _gain(head, subject, seed)[-len(size.ch_names) :]
    with (
        bar(f"simulate {partition} of subject {subject + 1}", len(evoked_ICT)) as progress,
        PickledArrays(stream, {"ch_names": list(size.ch_names), "times": times}) as written,
    ):
        written.begin("preprocessed_eeg_data", shape)
        for start in range(0, len(evoked_ICT), BLOCK):
            rng = numpy_rng(seed, "things repetitions", subject, partition, start)
            block_ICT = evoked_ICT[start : start + BLOCK]
            n_trials = len(block_ICT) * repetitions
            noise_CP = ongoing(head, gain_CS, n_trials * N_TIMES, SFREQ, rng)
            noise_NCT = noise_CP.reshape(len(noise_CP), n_trials, N_TIMES).transpose(1, 0, 2)
            gain_N = np.exp(rng.normal(0, AMPLITUDE_SPREAD, n_trials)).astype(np.float32)
            trials_NCT = gain_N[:, None, None] * block_ICT.repeat(repetitions, axis=0) + noise_NCT
            written.add(trials_NCT / np.sqrt(1 + SNR**2))
            progress.update(len(block_ICT))


def _gain(head: Head, subject: int, seed: int) -> np.ndarray:
    """Return (C, S): the leadfield along each dipole of a subject, average reference."""
    rng = numpy_rng(seed, "things orientation", subject)
    direction = head.outward_Sx + 0.35 * rng.standard_normal(head.outward_Sx.shape)
    direction /= np.linalg.norm(direction, axis=1)[:, None]
    gain_CS = np.einsum("csx,sx->cs", head.leadfield_CSx, direction)
    return gain_CS - gain_CS.mean(axis=0)


def _evoked(size: Size, head: Head, concepts: list[Concept], subject: int, seed: int) -> np.ndarray:
    """Return what each picture evokes, (I, C, T) float32, by `SNR` in the units of the noise."""
    gain_CS = _gain(head, subject, seed)[-len(size.ch_names) :]
    common, exemplar = common_wavelets(head, seed), exemplar_wavelets(head, 8, seed)
    evoked = []
    for concept in concepts:
        own = class_wavelets(head, concept.response, seed)
        zero = np.zeros(8, np.float32)
        factors_IF = np.array([zero if f is None else f.vector for f in concept.factors])
        courses_IST = np.zeros((len(factors_IF), gain_CS.shape[1], N_TIMES), np.float32)
        for wavelets, weight_IW in (
            (common, np.ones((len(factors_IF), len(common.dipole)))),
            (own, np.ones((len(factors_IF), len(own.dipole)))),
            (exemplar, 2 * factors_IF),
        ):
            made_IWT = wavelets.courses(np.zeros_like(weight_IW), weight_IW, SFREQ)
            for w, dipole in enumerate(wavelets.dipole):
                courses_IST[:, dipole, : made_IWT.shape[2]] += made_IWT[:, w]
        evoked.append((gain_CS @ courses_IST).astype(np.float32))
    evoked_ICT = np.concatenate(evoked)
    return SNR * QUALITY[subject % len(QUALITY)] * evoked_ICT / evoked_ICT.std()


class PickledArrays:
    """Writes a pickled dictionary with one large float64 array, a block at a time.

    The stream is the one that ``pickle.dump(dictionary, protocol=4)`` would give any reader.
    Written by hand, since pickle itself wants the whole array in memory.

    Parameters
    ----------
    stream : binary file
    rest : dict
        The other entries.
    """

    def __init__(self, stream: BinaryIO, rest: dict[str, Any]):
        self.stream, self.rest, self.left = stream, rest, 0

    def __enter__(self) -> PickledArrays:
        self.stream.write(pickle.PROTO + bytes([4]) + pickle.EMPTY_DICT + pickle.MARK)
        return self

    def begin(self, name: str, shape: tuple[int, ...]) -> None:
        """Begin the large array; its blocks follow with `add`."""
        self.left = 8 * int(np.prod(shape))
        self.stream.write(_opcodes(name))
        self.stream.write(pickle.GLOBAL + b"numpy.core.multiarray\n_reconstruct\n")
        self.stream.write(pickle.GLOBAL + b"numpy\nndarray\n" + _opcodes((0,)) + _opcodes(b"b"))
        self.stream.write(pickle.TUPLE3 + pickle.REDUCE + pickle.MARK)
        self.stream.write(_opcodes(1) + _opcodes(shape) + _opcodes(np.dtype("<f8")))
        self.stream.write(_opcodes(False))
        self.stream.write(pickle.BINBYTES8 + self.left.to_bytes(8, "little"))

    def add(self, block: np.ndarray) -> None:
        """Write the next block of the array."""
        self.left -= self.stream.write(np.ascontiguousarray(block, "<f8").tobytes())

    def __exit__(self, kind: object, *_error: object) -> None:
        if kind is not None:
            return
        assert self.left == 0, f"{self.left} bytes of the array were not written"
        self.stream.write(pickle.TUPLE + pickle.BUILD)
        for name, value in self.rest.items():
            self.stream.write(_opcodes(name) + _opcodes(value))
        self.stream.write(pickle.SETITEMS + pickle.STOP)


def _opcodes(value: Any) -> bytes:
    """Return what makes a small value in a stream: no header, no memory of others, no end."""
    buffer = io.BytesIO()
    pickler = pickle._Pickler(buffer, 4)
    pickler.fast = True  # nothing is remembered, so the parts can stand anywhere
    pickler.framer.start_framing = lambda: None
    pickler.dump(value)
    return buffer.getvalue()[2:-1]
