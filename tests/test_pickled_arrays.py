"""Pickled arrays are read without unpickling: same values, mapped in place, nothing else obeyed."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zoo.contracts import DataError
from zoo.datasets._pickled_arrays import read_pickled

LARGE = np.random.default_rng(0).normal(size=(40, 4, 17, 20))
CONTENT = {"preprocessed_eeg_data": LARGE, "ch_names": ["Oz", "O2"], "times": np.arange(5) / 10}


def same(one: Any, other: Any) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[k], other[k]) for k in one)


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_a_plain_pickle_is_read_in_place(tmp_path: Path, protocol: int):
    file = tmp_path / "eeg.npy"
    file.write_bytes(pickle.dumps(CONTENT, protocol))
    found = read_pickled(file)
    assert same(found, CONTENT)
    assert isinstance(found["preprocessed_eeg_data"], np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        found["preprocessed_eeg_data"][0] = 0


def test_what_numpy_saved_is_read_in_place(tmp_path: Path):
    np.save(tmp_path / "eeg.npy", CONTENT)
    found = read_pickled(tmp_path / "eeg.npy")
    assert same(found, CONTENT)
    assert isinstance(found["preprocessed_eeg_data"], np.memmap)


def test_orders_types_and_numbers_survive(tmp_path: Path):
    content = {
        "fortran": np.asfortranarray(LARGE[0, 0]),
        "big": np.arange(9, dtype=">f4").reshape(3, 3),
        "text": np.array(["Oz", "Fp1"]),
        "names": np.array(["Oz", "Fp1"], dtype=object),
        "number": np.float64(0.25),
        "flag": True,
    }
    file = tmp_path / "eeg.npy"
    file.write_bytes(pickle.dumps(content, 4))
    found = read_pickled(file)
    assert same(found, content)
    assert found["big"].dtype == np.dtype(">f4")
    assert list(found["names"]) == ["Oz", "Fp1"]


class Harmful:
    """Writes a file when it is unpickled."""

    def __init__(self, where: Path):
        self.where = where

    def __reduce__(self) -> Any:
        return Path.touch, (self.where,)


@pytest.mark.parametrize("save", [pickle.dumps, None])
def test_anything_else_is_refused_by_name_and_not_run(tmp_path: Path, save: Any):
    trap, file = tmp_path / "sprung", tmp_path / "eeg.npy"
    content = {**CONTENT, "more": Harmful(trap)}
    if save is None:
        np.save(file, content)
    else:
        file.write_bytes(save(content, 4))
    with pytest.raises(DataError, match=r"asks for pathlib\.\S+, which no array needs"):
        read_pickled(file)
    assert not trap.exists()
    np.load(file, allow_pickle=True)  # the trap is a real one
    assert trap.exists()


@pytest.mark.parametrize("call", ["eval", "getattr", "__import__"])
def test_builtins_are_refused(tmp_path: Path, call: str):
    (tmp_path / "eeg.npy").write_bytes(b"cbuiltins\n" + call.encode() + b"\n(V1\ntR.")
    with pytest.raises(DataError, match=rf"asks for builtins\.{call}"):
        read_pickled(tmp_path / "eeg.npy")


@pytest.mark.parametrize("kept", [0, 20, 3000, -40_000, -3])
def test_a_damaged_file_is_said_to_be_one(tmp_path: Path, kept: int):
    (tmp_path / "eeg.npy").write_bytes(pickle.dumps(CONTENT, 4)[:kept])
    with pytest.raises(DataError, match=r"eeg\.npy cannot be read as pickled arrays"):
        read_pickled(tmp_path / "eeg.npy")


def test_other_files_are_refused(tmp_path: Path):
    np.save(tmp_path / "plain.npy", LARGE[0, 0])
    with pytest.raises(DataError, match=r"it holds an array \(17, 20\) of float64"):
        read_pickled(tmp_path / "plain.npy")
    with pytest.raises(DataError, match=r"there is no .*absent\.npy"):
        read_pickled(tmp_path / "absent.npy")
