"""Dictionaries of arrays that numpy or pickle wrote, read without running anything they ask for.

A pickle is a program: unpickling one that somebody downloaded runs what it says. Here the stream
is only followed. It may build text, numbers, lists, tuples and dictionaries, and describe arrays;
it may name nothing but numpy's own way of describing an array, and even those names stand for
recorders of ours, never for numpy's functions. Whatever else it names is refused by that name.

Large arrays are not read: they are mapped where they lie in the file, so that a file of eight
gigabytes costs milliseconds and no memory.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import numpy as np

from zoo.contracts import DataError

#: Stretches of bytes from this size on are mapped, not read.
MAPPED_FROM = 1 << 16


def read_pickled(file: Path) -> Any:
    """Return what a pickle, or an ``.npy`` file of a single object, holds.

    Parameters
    ----------
    file : Path
        As ``pickle.dump(dictionary)`` or ``numpy.save(dictionary)`` write it.

    Returns
    -------
    object
        Plain containers; arrays are read-only, large ones memory-mapped.

    Raises
    ------
    DataError
        The file is missing or damaged, or names something that is not an array's description.
    """
    try:
        with file.open("rb") as stream:
            _skip_header(stream)
            found = _finished(_Follower(stream, file).load())
    except FileNotFoundError as error:
        raise DataError(f"there is no {file}") from error
    except DataError:
        raise
    except Exception as error:  # a damaged stream can fail in any way
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(
            f"{file} cannot be read as pickled arrays ({reason}); fetch or write it again"
        ) from error
    return found


def _skip_header(stream: BinaryIO) -> None:
    """Go past the header of an ``.npy`` file, if there is one, to its pickled object."""
    magic = stream.read(6)
    stream.seek(0)
    if magic != b"\x93NUMPY":
        return
    version = np.lib.format.read_magic(stream)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }.get(version)
    if read is None:
        raise ValueError(f"version {version} of numpy's format is not known")
    shape, _, dtype = read(stream)
    if not dtype.hasobject or shape != ():
        raise ValueError(f"it holds an array {shape} of {dtype}, not one dictionary")


@dataclass(frozen=True)
class _Stretch:
    """Bytes that were left in the file."""

    file: Path
    offset: int
    length: int


class _Dtype:
    """Records how numpy describes a dtype."""

    def __init__(self, code: str, *_how: Any):
        self.code, self.order = code, "|"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if any(part is not None for part in state[2:5]):
            raise ValueError("it holds an array of records, not of numbers or text")
        self.order = state[1]

    def made(self) -> np.dtype[Any]:
        return np.dtype(self.code).newbyteorder(self.order)


class _Array:
    """Records how numpy describes an array."""

    value: Any

    def __init__(self, *_how: Any):
        self.value = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, fortran, data = state
        self.value = _array(data, dtype.made(), shape, "F" if fortran else "C")


def _array(data: Any, dtype: np.dtype[Any], shape: tuple[int, ...], order: Any) -> Any:
    """Return the array that lies in bytes, in a stretch of the file, or in a list of objects."""
    if dtype.hasobject:
        if shape == ():
            return data[0]
        return data  # a list of text, for example: as good as an array of objects
    if isinstance(data, _Stretch):
        if data.length != dtype.itemsize * int(np.prod(shape)):
            raise ValueError(f"an array {shape} of {dtype} does not fill {data.length} bytes")
        return np.memmap(
            data.file, dtype=dtype, mode="r", offset=data.offset, shape=shape, order=order
        )
    return np.frombuffer(data, dtype=dtype).reshape(shape, order=order)


def _scalar(dtype: _Dtype, data: bytes) -> Any:
    return np.frombuffer(data, dtype=dtype.made())[0].item()


def _from_buffer(data: Any, dtype: _Dtype, shape: tuple[int, ...], order: str) -> Any:
    return _array(data, dtype.made(), shape, order)


#: All that a file may name -> what stands for it.
_MAY_NAME: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "dtype"): _Dtype,
    ("numpy", "ndarray"): _Array,
}
for _core in ("numpy.core", "numpy._core"):
    _MAY_NAME[f"{_core}.multiarray", "_reconstruct"] = _Array
    _MAY_NAME[f"{_core}.multiarray", "scalar"] = _scalar
    _MAY_NAME[f"{_core}.numeric", "_frombuffer"] = _from_buffer


class _Follower(pickle._Unpickler):
    """Follows a pickle stream; large bytes stay in the file, unknown names are refused."""

    dispatch: ClassVar = dict(pickle._Unpickler.dispatch)

    def __init__(self, stream: BinaryIO, file: Path):
        super().__init__(stream)
        self._stream, self._path = stream, file

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _MAY_NAME:
            raise DataError(
                f"{self._path} asks for {module}.{name}, which no array needs: it is not read, "
                "as it could run anything; fetch the file anew from a source that you trust"
            )
        return _MAY_NAME[module, name]

    def _load_bytes(self, length: int) -> None:
        frame = self._unframer.current_frame
        in_frame = frame is not None and frame.tell() < len(frame.getbuffer())
        if length < MAPPED_FROM or in_frame:
            self.append(self.read(length))
            return
        offset = self._stream.tell()
        self._stream.seek(0, 2)
        if self._stream.tell() < offset + length:
            raise ValueError("the file ends in the middle of an array")
        self._stream.seek(offset + length)
        self.append(_Stretch(self._path, offset, length))

    def load_binbytes(self) -> None:
        (length,) = struct.unpack("<I", self.read(4))
        self._load_bytes(length)

    def load_binbytes8(self) -> None:
        (length,) = struct.unpack("<Q", self.read(8))
        self._load_bytes(length)

    dispatch[pickle.BINBYTES[0]] = load_binbytes
    dispatch[pickle.BINBYTES8[0]] = load_binbytes8
    dispatch[pickle.BYTEARRAY8[0]] = load_binbytes8


def _finished(value: Any) -> Any:
    """Return `value` with recorders replaced by the arrays they describe."""
    match value:
        case _Array():
            return _finished(value.value)
        case dict():
            return {key: _finished(entry) for key, entry in value.items()}
        case list() | tuple():
            return type(value)(_finished(entry) for entry in value)
        case _Stretch():
            raise ValueError("it holds large bytes that belong to no array")
        case _Dtype():
            raise ValueError("it holds a dtype that belongs to no array")
    return value
