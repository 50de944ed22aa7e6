"""The shape of an encoder's tokens, as its mark tells it."""

from __future__ import annotations

from zoo.recipe.cells import Block, Cell
from zoo.recipe.errors import RecipeError
from zoo.registries import ENCODERS


def token_shape(cell: Cell) -> list[int]:
    """Return the encoder's token shape (L, D) without building it."""
    return tokens_of(cell.encoder)


def tokens_of(encoder: Block) -> list[int]:
    """Return the token shape (L, D) of an encoder without building it.

    Raises
    ------
    RecipeError
        Its mark does not say.
    """
    tokens = ENCODERS.spec(encoder.name).meta.get("tokens", ())
    shape = [encoder.params.get(n) if isinstance(n, str) else n for n in tokens]
    sized = [size for size in shape if isinstance(size, int)]
    if len(sized) != 2 or len(shape) != 2:
        problem = (
            f"the token shape of encoder {encoder.name!r} is needed before it is built, and "
            f"its mark says tokens={tokens!r}: name two integers or two integer parameters there"
        )
        raise RecipeError([problem])
    return sized
