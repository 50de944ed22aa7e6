"""Draw pictures for a file of EEG with the pipeline of a finished run: ``zoo generate``."""

from __future__ import annotations

import csv
import json
import math
import re
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from registry.errors import UserError
from zoo.export.folder import INDEX
from zoo.export.missing import why_no_pipeline
from zoo.export.pipeline import EEGToImagePipeline, picture_seeds
from zoo.export.signals import read_eeg, trials_of

#: Side of a picture on the contact sheet, in pixels, and the most trials that are shown on it.
THUMBNAIL, ON_SHEET = 128, 100


def generate(
    run: Path,
    eeg: Path,
    out: Path,
    *,
    cell: str | None = None,
    weights_root: Path | None = None,
    guidance_scale: float | None = None,
    steps: int | None = None,
    seed: int | None = None,
    subject: int | None = None,
    device: str = "cpu",
) -> int:
    """Draw every trial of `eeg` into `out`; return the number of pictures.

    Parameters
    ----------
    run : Path
        A run folder, or the folder of one pipeline.
    eeg : Path
        ``.npy`` (trials, channels, samples) as in training, or ``-epo.fif``.
    out : Path
        Receives ``<trial>_<k>.png``, ``index.csv`` and ``contact-sheet.png``; must be empty.
    cell : str, optional
        Which pipeline, where the run has several.
    weights_root : Path, optional
        Where the frozen weights are, unless they are the pocket weights.
    guidance_scale, steps, seed : optional
        In place of the run's.
    subject : int, optional
        The data set's number of the trials' subject, for encoders that use it; left out: unseen.
    device : str

    Raises
    ------
    UserError
        There is no such pipeline, the EEG does not fit it, the encoder was not trained on
        `subject`, or `out` is in use.
    """
    folder = find_pipeline(run, cell)
    given = read_eeg(eeg)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"--out {out} is in use; name a new or empty folder")
    pipeline = EEGToImagePipeline.from_pretrained(folder, weights_root=weights_root).to(device)
    trained = pipeline.encoder.config.trained_subjects
    if subject is not None and subject not in trained:
        raise UserError(
            f"--subject {subject}: the encoder was trained on {', '.join(map(str, trained))}; name "
            "one of them, or leave it out for a subject that was not seen"
        )
    eeg_NCT, ids = trials_of(given, pipeline.encoder.signal, start=pipeline.encoder.start)
    ids = ids or [str(i) for i in range(len(eeg_NCT))]
    names = [re.sub(r"[^\w.-]+", "_", name) for name in ids]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UserError(f"two trials are called {twice!r}; the metadata's trial_id must be unique")
    seed = pipeline.config.seed if seed is None else seed
    k = pipeline.config.images_per_trial
    images = pipeline(
        eeg_NCT,
        subject=subject,
        trial_ids=ids,
        num_inference_steps=steps,
        guidance_scale=guidance_scale,
        seed=seed,
    ).images

    out.mkdir(parents=True, exist_ok=True)
    seeds = picture_seeds(ids, k, seed)
    rows = []
    for number, (image, one) in enumerate(zip(images, seeds, strict=True)):
        trial, picture = divmod(number, k)
        file = f"{names[trial]}_{picture}.png"
        made = {"generated": True, "trial_id": ids[trial], "picture": picture, "seed": one}
        info = PngInfo()
        info.add_text("eegzoo", json.dumps(made))
        image.save(out / file, pnginfo=info)
        rows.append({"trial_id": ids[trial], "picture": picture, "seed": one, "file": file})
    with (out / "index.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    _contact_sheet(images[: ON_SHEET * k], k).save(out / "contact-sheet.png")
    return len(images)


def find_pipeline(run: Path, cell: str | None) -> Path:
    """Return the folder of the one pipeline that is meant.

    Raises
    ------
    UserError
        There is none, or several and `cell` names none of them.
    """
    if (run / INDEX).is_file() and cell is None:
        return run
    found = sorted(path.parent for path in (run / "pipeline").glob(f"*/{INDEX}"))
    if not found:
        raise UserError(
            why_no_pipeline(run, cell)
            or f"{run} holds no pipeline/<cell>/{INDEX}; name the folder of a run (runs/latest)"
        )
    names = [path.name for path in found]
    if cell is None and len(found) > 1:
        raise UserError(f"{run} holds several pipelines, choose one by --cell: {', '.join(names)}")
    if cell is not None and cell not in names:
        raise UserError(
            why_no_pipeline(run, cell)
            or f"{run} holds no pipeline of cell {cell!r}; it has: {', '.join(names)}"
        )
    return found[0] if cell is None else found[names.index(cell)]


def _contact_sheet(images: list[Image.Image], k: int) -> Image.Image:
    """Return the pictures on one sheet: a row for each trial where it has several."""
    columns = k if k > 1 else math.ceil(math.sqrt(len(images)))
    side = min(THUMBNAIL, images[0].width)
    gap = 2
    rows = math.ceil(len(images) / columns)
    sheet = Image.new("RGB", [n * (side + gap) - gap for n in (columns, rows)], "white")
    for number, image in enumerate(images):
        row, column = divmod(number, columns)
        thumbnail = image if image.width == side else image.resize((side, side))
        sheet.paste(thumbnail, (column * (side + gap), row * (side + gap)))
    return sheet
