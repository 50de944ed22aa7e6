"""Image towers by name: what they are, where their files have to lie, what is missing.

A *network* is run once over pictures and gives one or several *towers*, named outputs: features,
class scores (logits) or both. Nothing is downloaded: the messages say what to fetch. Standard
library only.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from registry.errors import did_you_mean
from zoo.file_hash import file_hash

Gives = Literal["features", "logits"]

#: Where the judge lies that ships with the pocket weights.
SHIPPED = Path(__file__).parents[1] / "pipelines" / "pocket" / "weights" / "judge"
#: Files of a network in safetensors.
SAFETENSORS = ("config.json", "model.safetensors")


@dataclass(frozen=True)
class Network:
    """One row of `NETWORKS`.

    Parameters
    ----------
    licence : str
        Licence of the weights.
    folder : str or None
        Folder of the weights under ``--weights-root``; None where they ship with the package.
    files : tuple of str
        What has to be in it.
    repository, revision : str or None
        Where safetensors come from, pinned.
    url : str or None
        Address of the one file of the network, by those who published it.
    sha256 : str or None
        How the hash of that file's content begins, or all of it.
    """

    licence: str
    folder: str | None = None
    files: tuple[str, ...] = SAFETENSORS
    repository: str | None = None
    revision: str | None = None
    url: str | None = None
    sha256: str | None = None

    @property
    def ships(self) -> bool:
        """Whether the weights are part of the package: a stand-in for those that are not."""
        return self.folder is None

    def where(self, weights_root: Path | None) -> Path:
        """Return the folder that holds the files."""
        if self.folder is None:
            return SHIPPED
        assert weights_root is not None
        return Path(weights_root) / self.folder

    def how_to_get(self) -> str:
        """Return the command that fetches the files to ``DIR/<folder>``."""
        if self.url is not None:
            fetch = f"curl -L --create-dirs -o DIR/{self.folder}/{self.files[0]} {self.url}"
        else:
            fetch = (
                f"hf download {self.repository} --revision {self.revision} "
                f"--include {' '.join(self.files)} --local-dir DIR/{self.folder}"
            )
        return f"{fetch} (licence: {self.licence}), then --weights-root DIR"


@dataclass(frozen=True)
class Tower:
    """One row of `TOWERS`.

    Parameters
    ----------
    network : str
        What is run, a name of `NETWORKS`.
    definition : str
        Network, weights, layer and preparation of the picture, for the definition of a figure.
    width : int or None
        Width of the features; None where it gives none.
    n_classes : int or None
        Number of class scores; None where it gives none.
    """

    network: str
    definition: str
    width: int | None = None
    n_classes: int | None = None

    @property
    def gives(self) -> tuple[Gives, ...]:
        """What the tower makes of a picture: "features", "logits" or both."""
        features: tuple[Gives, ...] = () if self.width is None else ("features",)
        return features if self.n_classes is None else (*features, "logits")

    @property
    def licence(self) -> str:
        """Licence of the weights."""
        return NETWORKS[self.network].licence

    @property
    def ships(self) -> bool:
        """Whether the weights are part of the package."""
        return NETWORKS[self.network].ships


def _published(folder: str, url: str, licence: str, sha256: str | None = None) -> Network:
    """Return a network of one file, in whose name its publishers wrote how its hash begins."""
    file = url.rpartition("/")[2]
    begins = file.removesuffix(".pth").rpartition("-")[2]
    return Network(licence=licence, folder=folder, files=(file,), url=url, sha256=sha256 or begins)


_TORCHVISION = "https://download.pytorch.org/models"
_ALEXNET = _published("alexnet", f"{_TORCHVISION}/alexnet-owt-7be5be79.pth", "BSD-3-Clause")
_JUDGE = Network(licence="BSD-3-Clause")

NETWORKS: dict[str, Network] = {
    "pocket_judge": _JUDGE,
    "pocket_judge-stages": _JUDGE,
    "lpips-pocket": _JUDGE,
    "alexnet": _ALEXNET,
    # The same file; the linear layers on it (BSD-2-Clause) come with torchmetrics.
    "lpips-alex": _ALEXNET,
    "inception-v3": _published(
        "inception-v3", f"{_TORCHVISION}/inception_v3_google-0cc3c7bd.pth", "BSD-3-Clause"
    ),
    "efficientnet-b1": _published(
        "efficientnet-b1", f"{_TORCHVISION}/efficientnet_b1-c27df63c.pth", "BSD-3-Clause"
    ),
    "vit-h-14": _published(
        "vit-h-14", f"{_TORCHVISION}/vit_h_14_swag-80465313.pth", "CC-BY-NC-4.0, not commercial"
    ),
    "inception-fid": _published(
        "inception-fid",
        "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
        "weights-inception-2015-12-05-6726825d.pth",
        "Apache-2.0",
        "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
    ),
    "clip-vit-l-14": Network(
        licence="MIT",
        folder="clip-vit-l-14",
        repository="openai/clip-vit-large-patch14",
        revision="32bd64288804d66eefd0ccbe215aa642df71cc41",
    ),
    "clip-vit-h-14": Network(
        licence="MIT",
        folder="clip-vit-h-14",
        repository="laion/CLIP-ViT-H-14-laion2B-s32B-b79K",
        revision="1c2b8495b28150b8a4922ee1c8edee224c284c0c",
    ),
}

_POCKET = "the pocket judge, a small classifier trained on drawings (picture at 64 px)"
_MINDEYE2 = "bilinear and antialiased, not cropped, ImageNet's mean and deviation"

TOWERS: dict[str, Tower] = {
    "pocket_judge": Tower(
        network="pocket_judge",
        width=96,
        n_classes=10,
        definition=f"last hidden layer (96 features, averaged over places) and class scores of "
        f"{_POCKET}",
    ),
    "pocket_judge-1": Tower(
        network="pocket_judge-stages",
        width=16 * 32 * 32,
        definition=f"flattened activations of the first of four stages of {_POCKET}",
    ),
    "pocket_judge-2": Tower(
        network="pocket_judge-stages",
        width=32 * 16 * 16,
        definition=f"flattened activations of the second of four stages of {_POCKET}",
    ),
    "lpips-pocket": Tower(
        network="lpips-pocket",
        width=16 * 32**2 + 32 * 16**2 + 64 * 8**2 + 96 * 4**2,
        definition="channel vectors of unit length at all places of the four stages of "
        f"{_POCKET}; the squared distance of two pictures is the sum over stages of its mean over "
        "places, as LPIPS without learned weights",
    ),
    "alexnet-2": Tower(
        network="alexnet",
        width=192 * 31 * 31,
        definition="AlexNet (torchvision, IMAGENET1K_V1), flattened second convolution after its "
        f"ReLU (features.4), picture at 256 px ({_MINDEYE2}), as MindEye2",
    ),
    "alexnet-5": Tower(
        network="alexnet",
        width=256 * 15 * 15,
        definition="AlexNet (torchvision, IMAGENET1K_V1), flattened fifth convolution after its "
        f"ReLU (features.11), picture at 256 px ({_MINDEYE2}), as MindEye2",
    ),
    "lpips-alex": Tower(
        network="lpips-alex",
        width=64 * 63**2 + 192 * 31**2 + (384 + 256 + 256) * 15**2,
        definition="channel vectors of unit length at all places of AlexNet's five convolutions "
        "(torchvision, IMAGENET1K_V1), weighted by LPIPS' linear layers (version 0.1): the squared "
        "distance of two pictures is their LPIPS (alex) at 256 px (other sizes are brought there, "
        "bilinear and antialiased)",
    ),
    "inception-v3": Tower(
        network="inception-v3",
        width=2048,
        definition="Inception v3 (torchvision, IMAGENET1K_V1), last average pooling, picture at "
        f"342 px ({_MINDEYE2}), as MindEye2",
    ),
    "efficientnet-b1": Tower(
        network="efficientnet-b1",
        width=1280,
        definition="EfficientNet-B1 (torchvision, IMAGENET1K_V2), last average pooling, picture at "
        f"255 px ({_MINDEYE2}), as MindEye2",
    ),
    "inception-fid": Tower(
        network="inception-fid",
        width=2048,
        n_classes=1008,
        definition="Inception v3 of 2015 (TensorFlow's weights, run by torch-fidelity), last "
        "average pooling (2048 features) and class scores without bias (1008), picture at 299 px "
        "as TensorFlow 1 resizes",
    ),
    "vit-h-14": Tower(
        network="vit-h-14",
        n_classes=1000,
        definition="ViT-H/14 (torchvision, IMAGENET1K_SWAG_E2E_V1), scores of ImageNet's 1000 "
        "classes, picture at 518 px by the weights' own transforms (bicubic, by Pillow)",
    ),
    "clip-vit-l-14": Tower(
        network="clip-vit-l-14",
        width=768,
        definition="CLIP ViT-L/14 (OpenAI), projected image embedding, picture at 224 px (bicubic)",
    ),
    "clip-vit-h-14": Tower(
        network="clip-vit-h-14",
        width=1024,
        definition="CLIP ViT-H/14 (LAION-2B), projected image embedding, picture at 224 px "
        "(bicubic)",
    ),
}


def towers_giving(what: Gives) -> list[str]:
    """Return the names of the towers that give "features" or "logits"."""
    return [name for name, tower in TOWERS.items() if what in tower.gives]


def outputs(network: str) -> list[str]:
    """Return what a network gives: ``<tower>`` for features, ``<tower>:logits`` for scores."""
    return [
        name if what == "features" else f"{name}:logits"
        for name, tower in TOWERS.items()
        if tower.network == network
        for what in tower.gives
    ]


def file_of(output: str) -> str:
    """Return the name of the file that holds an output of a network, for all pictures."""
    return f"{output.replace(':', '.')}.npy"


def unknown(name: object, giving: Gives | None = None) -> str | None:
    """Return the sentence about a name that is no tower's, or of none that gives this, or None."""
    if name in TOWERS and (giving is None or giving in TOWERS[str(name)].gives):
        return None
    known = list(TOWERS) if giving is None else towers_giving(giving)
    if name in TOWERS:
        return f"image tower {name!r} gives no {giving}. Towers that do: {', '.join(known)}"
    hint = did_you_mean(str(name), known)
    return f"unknown image tower {name!r}. {hint}Known towers: {', '.join(known)}"


def missing(name: str, weights_root: Path | None) -> list[str]:
    """Return one sentence for each thing that keeps a tower from being loaded, or []."""
    if (sentence := unknown(name)) is not None:
        return [sentence]
    return lacking(f"image tower {name!r}", TOWERS[name].network, weights_root)


def lacking(what: str, network: str, weights_root: Path | None) -> list[str]:
    """Return one sentence about `what` for each thing that keeps its network from being loaded."""
    row = NETWORKS[network]
    if not row.ships and weights_root is None:
        return [f"{what} is not part of the package: {row.how_to_get()}"]
    folder = row.where(weights_root)
    remedy = "it is part of the package: install that again" if row.ships else row.how_to_get()
    absent = [file for file in row.files if not (folder / file).is_file()]
    if absent:
        return [f"{what}: {folder} lacks {', '.join(absent)}; {remedy}"]
    if row.sha256 is None:
        return []
    (path,) = (folder / file for file in row.files)
    if (found := file_hash(path)).startswith(row.sha256):
        return []
    return [
        f"{what}: {path} is not the published file or not all of it (its sha256 starts with "
        f"{found[:8]}, not {row.sha256[:8]}); {remedy}"
    ]


def fingerprint(name: str, weights_root: Path | None) -> str:
    """Return the content hash of everything that is read of a tower that is there."""
    row = NETWORKS[TOWERS[name].network]
    folder = row.where(weights_root)
    whole = hashlib.sha256()
    for file in row.files:
        whole.update(f"{file}\0{file_hash(folder / file)}\n".encode())
    return whole.hexdigest()
