"""Image towers by name: what they are, where their files have to lie, what is missing.

A tower turns a picture into one feature vector. Nothing is downloaded: the messages say what to
fetch. Standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from registry.errors import did_you_mean

#: Files of a tower that is fetched.
FILES = ("config.json", "model.safetensors")


@dataclass(frozen=True)
class Tower:
    """One row of `TOWERS`.

    Parameters
    ----------
    width : int
        Width of the features.
    definition : str
        What the features are, for the definition of a figure.
    licence : str
    repository, revision : str or None
        Where the weights come from, pinned; None where they ship with the package.
    """

    width: int
    definition: str
    licence: str
    repository: str | None = None
    revision: str | None = None

    def how_to_get(self, name: str) -> str:
        """Return the command that fetches this tower to ``DIR/<name>``."""
        return (
            f"hf download {self.repository} --revision {self.revision} "
            f"--include {' '.join(FILES)} --local-dir DIR/{name} "
            f"(licence: {self.licence}), then --weights-root DIR"
        )


TOWERS: dict[str, Tower] = {
    "pocket_judge": Tower(
        width=96,
        definition="last hidden layer of the pocket judge, trained on drawings",
        licence="BSD-3-Clause",
    ),
    "clip-vit-l-14": Tower(
        width=768,
        definition="CLIP ViT-L/14 (OpenAI), projected image embedding",
        licence="MIT",
        repository="openai/clip-vit-large-patch14",
        revision="32bd64288804d66eefd0ccbe215aa642df71cc41",
    ),
    "clip-vit-h-14": Tower(
        width=1024,
        definition="CLIP ViT-H/14 (LAION-2B), projected image embedding",
        licence="MIT",
        repository="laion/CLIP-ViT-H-14-laion2B-s32B-b79K",
        revision="1c2b8495b28150b8a4922ee1c8edee224c284c0c",
    ),
}


def unknown(name: object) -> str | None:
    """Return the sentence about a name that is no tower's, or None."""
    if name in TOWERS:
        return None
    hint = did_you_mean(str(name), TOWERS)
    return f"unknown image tower {name!r}. {hint}Known towers: {', '.join(TOWERS)}"


def missing(name: str, weights_root: Path | None) -> list[str]:
    """Return one sentence for each thing that keeps a tower from being loaded, or []."""
    if (sentence := unknown(name)) is not None:
        return [sentence]
    tower = TOWERS[name]
    if tower.repository is None:
        return []
    if weights_root is None:
        return [f"image tower {name!r} is not part of the package: {tower.how_to_get(name)}"]
    folder = Path(weights_root) / name
    lacking = [file for file in FILES if not (folder / file).is_file()]
    if lacking:
        there = f"image tower {name!r}: {folder} lacks {', '.join(lacking)}"
        return [f"{there}; {tower.how_to_get(name)}"]
    return []
