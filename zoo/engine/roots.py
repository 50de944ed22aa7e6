"""The folders a user names on the command line, checked before any work starts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from zoo.contracts import DataError


@dataclass(frozen=True, kw_only=True)
class Roots:
    """Where the user's recordings, pictures and weights are.

    Parameters
    ----------
    data : Path or None
        ``--data-root``.
    images : Path or None
        ``--image-root``, for data sets whose pictures lie elsewhere.
    weights : Path or None
        ``--weights-root``.
    """

    data: Path | None = None
    images: Path | None = None
    weights: Path | None = None

    @classmethod
    def resolve(
        cls,
        data: Path | str | None = None,
        images: Path | str | None = None,
        weights: Path | str | None = None,
    ) -> Roots:
        """Return absolute folders; raise DataError naming the first one that is no folder."""
        named = {"--data-root": data, "--image-root": images, "--weights-root": weights}
        found: dict[str, Path | None] = {}
        for option, given in named.items():
            path = None if given is None else Path(given).expanduser().absolute()
            if path is not None and not path.is_dir():
                what = "is a file" if path.exists() else "does not exist"
                raise DataError(f"{option} {given}: {what}; name an existing folder")
            found[option] = path
        return cls(
            data=found["--data-root"],
            images=found["--image-root"],
            weights=found["--weights-root"],
        )
