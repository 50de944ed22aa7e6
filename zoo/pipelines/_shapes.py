"""What a denoiser costs, from the headers of its files alone: numbers, operations, activations.

A safetensors file begins with the names and shapes of its tensors. The names say on which level of
the denoiser a weight works, and the picture's size how often it is applied there. Standard library
only: nothing is loaded.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from zoo.pipelines import _weights

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Weight:
    """A tensor of the denoiser.

    Parameters
    ----------
    name : str
    shape : tuple of int
    positions : int
        How often it is applied for one picture: pixels of its level, tokens, or once.
    """

    name: str
    shape: Shape
    positions: int

    @property
    def numbers(self) -> int:
        """Parameters."""
        return math.prod(self.shape)

    @property
    def is_map(self) -> bool:
        """True for the weights of linear maps and convolutions."""
        return len(self.shape) > 1


@dataclass(frozen=True)
class Denoiser:
    """The shapes of a Stable Diffusion at one size of pictures.

    Parameters
    ----------
    unet : tuple of Weight
    text : dict
        Name -> shape of the text encoder's tensors.
    file_bytes : int
        Size of the denoiser's files.
    width, n_tokens : int
        Of the cross-attention's input.
    """

    unet: tuple[Weight, ...]
    text: dict[str, Shape]
    file_bytes: int
    width: int
    n_tokens: int

    def unet_numbers(self, keep: Callable[[str], bool] = bool) -> int:
        """Return the parameters of the denoiser whose names are kept (every name is true)."""
        return sum(weight.numbers for weight in self.unet if keep(weight.name))

    @cached_property
    def drawing_numbers(self) -> int:
        """The parameters of everything that draws: of the denoiser and its text encoder."""
        return self.unet_numbers() + self.text_numbers(layers=False)

    def lora_numbers(self, targets: Callable[[str], bool], rank: int) -> int:
        """Return the parameters of adapters on the maps whose names are targets."""
        chosen = (w.shape for w in self.unet if w.is_map and targets(w.name))
        return sum(rank * (shape[0] + shape[1]) for shape in chosen)

    def unet_flops(self) -> float:
        """Return the operations of one forward pass for one picture: its maps and its attention."""
        return self._pass_flops

    @cached_property
    def _pass_flops(self) -> float:
        return self.map_flops(bool) + self._attention_flops()

    def map_flops(self, keep: Callable[[str], bool]) -> float:
        """Return those of the maps whose names are kept, or of their weights' gradients.

        Two for each number of a map at each place where it is applied.
        """
        kept = (w for w in self.unet if w.is_map and keep(w.name))
        return sum(2.0 * weight.numbers * weight.positions for weight in kept)

    def unet_activations(self) -> float:
        """Return the numbers that the maps and norms of one forward pass are given."""
        total = 0.0
        for weight in self.unet:
            if weight.is_map:
                total += weight.shape[1] * weight.positions
            elif "norm" in weight.name and weight.name.endswith("weight"):
                total += weight.shape[0] * weight.positions
        return total

    def latent_numbers(self) -> int:
        """Return the numbers of one picture's latents."""
        (first,) = (w for w in self.unet if w.name == "conv_in.weight")
        return first.shape[1] * first.positions

    def text_flops(self) -> float:
        """Return the operations of the text transformer for one prompt."""
        maps = (shape for name, shape in self.text.items() if _in_layers(name) and len(shape) == 2)
        return sum(2.0 * math.prod(shape) * self.n_tokens for shape in maps)

    def text_activations(self) -> float:
        """Return the numbers that the maps and norms of the text transformer are given."""
        rows = (
            shape for name, shape in self.text.items() if _in_layers(name) and "bias" not in name
        )
        return float(sum(shape[-1] * self.n_tokens for shape in rows))

    def text_numbers(self, *, layers: bool) -> int:
        """Return the parameters of the text encoder: its layers and last norm, or all of it."""
        chosen = (s for name, s in self.text.items() if not layers or "embedding" not in name)
        return sum(math.prod(shape) for shape in chosen)

    def text_lora_numbers(self, rank: int) -> int:
        """Return the parameters of adapters on the text transformer's attention."""
        chosen = (s for name, s in self.text.items() if "_proj.weight" in name and len(s) == 2)
        return sum(rank * (shape[0] + shape[1]) for shape in chosen)

    def _attention_flops(self) -> float:
        total = 0.0
        for weight in self.unet:
            if weight.name.endswith("to_q.weight"):
                attended = self.n_tokens if ".attn2." in weight.name else weight.positions
                total += 4.0 * weight.positions * attended * weight.shape[0]
        return total


def read_shapes(weights: str, weights_root: Path | None, image_size: int) -> Denoiser:
    """Return the shapes of `weights` for pictures of `image_size` pixels.

    Raises
    ------
    UserError
        The weights are not there or not whole.
    """
    folder = _weights.resolve(weights, weights_root)
    unet, vae, text = (_config(folder, part) for part in ("unet", "vae", "text_encoder"))
    side = image_size // 2 ** (len(vae["block_out_channels"]) - 1)
    levels = len(unet["block_out_channels"])
    n_tokens = text["max_position_embeddings"]
    headers, size = _headers(folder, "unet")
    return Denoiser(
        unet=tuple(
            Weight(name, shape, _positions(name, side, levels, n_tokens))
            for name, shape in headers.items()
        ),
        text=_headers(folder, "text_encoder")[0],
        file_bytes=size,
        width=unet["cross_attention_dim"],
        n_tokens=n_tokens,
    )


def _positions(name: str, side: int, levels: int, n_tokens: int) -> int:
    """Return how often a weight is applied for a picture of `side` latents each way."""
    part, _, rest = name.partition(".")
    if part == "time_embedding" or ".time_emb_proj." in name:
        return 1
    if ".attn2.to_k." in name or ".attn2.to_v." in name:
        return n_tokens
    level = 0
    if part == "down_blocks":
        level = int(rest.partition(".")[0]) + (".downsamplers." in name)
    elif part == "up_blocks":
        level = levels - 1 - int(rest.partition(".")[0]) - (".upsamplers." in name)
    elif part == "mid_block":
        level = levels - 1
    return (side >> level) ** 2


def _in_layers(name: str) -> bool:
    return ".layers." in f".{name}"


def _config(folder: Path, part: str) -> dict[str, int]:
    return json.loads((folder / part / "config.json").read_text(encoding="utf-8"))


def _headers(folder: Path, part: str) -> tuple[dict[str, Shape], int]:
    """Return name -> shape of every tensor of a part, and the size of its files."""
    found: dict[str, Shape] = {}
    size = 0
    for path in _weights.weight_files(folder, part):
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        header.pop("__metadata__", None)
        found |= {name: tuple(entry["shape"]) for name, entry in header.items()}
        size += path.stat().st_size
    return found, size
