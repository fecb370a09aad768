"""The files of labelled sets inside installed data packages, parsed; the packages' code never runs."""

from __future__ import annotations

import gzip
from importlib import metadata
from pathlib import Path
from typing import TypeAlias

import numpy as np

from lamplighter.arrays import F32
from lamplighter.errors import MissingExtra, PoolFileError
from lamplighter.testing.datasets import Labels, read_keel

#: Rows as the file gives them, numbers or texts, and one class name for each.
Table: TypeAlias = tuple[F32, Labels]
Texts: TypeAlias = tuple[list[str], Labels]

#: What stands for a number in the hypothyroid file; a word means the same in every column.
_WORDS = {"f": 0.0, "n": 0.0, "F": 0.0, "t": 1.0, "y": 1.0, "M": 1.0, "?": float("nan")}
_REMEDY = "the environment of `make bench-labels` has it: requirements/data.txt and bench-data.txt"


def version(package: str) -> str:
    """Give the installed version of a package; MissingExtra where there is none."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError as error:
        raise MissingExtra(f"the data package '{package}' is not installed; {_REMEDY}") from error


def package_file(package: str, path: str) -> Path:
    """Find the file of an installed package whose path ends with `path`."""
    found = version(package)
    for file in metadata.files(package) or []:
        if str(file).endswith("/" + path):
            return Path(str(file.locate()))
    raise MissingExtra(f"the installed '{package}' {found} has no file '{path}'; {_REMEDY}")


def read_keel_file(path: Path) -> Table:
    """Read KEEL text: numbers, then the class."""
    features, labels, _ = read_keel(path)
    return features, labels


def read_hypothyroid(path: Path) -> Table:
    """Read the hypothyroid file: class first, then 25 numbers, flags and question marks.

    Flags become 0 and 1 (t, y and M are 1). A missing value becomes its column's median over the
    rows that have one, which uses no label; that a hormone was not measured at all is told by a flag of its
    own ("TSH measured", ...).
    """
    rows = [line.split(",") for line in path.read_text("utf-8").splitlines() if line.strip()]
    try:
        x = np.array([[_number(cell) for cell in row[1:]] for row in rows])
    except ValueError as error:
        raise PoolFileError(f"{path}: neither a number nor one of {sorted(_WORDS)}: {error}") from error
    median = np.nanmedian(x, axis=0)
    return np.where(np.isnan(x), median, x).astype(np.float32), np.array([row[0] for row in rows])


def read_mnist(path: Path) -> Table:
    """Read gzipped CSV without a header: 784 grey values from 0 to 255, then the digit."""
    with gzip.open(path, "rt", encoding="ascii") as lines:
        values = np.loadtxt(lines, delimiter=",", dtype=np.float32)
    return np.ascontiguousarray(values[:, :-1]), values[:, -1].astype(np.int64).astype(np.str_)


def read_tab(*paths: Path) -> Texts:
    """Read Orange's tab-separated files, one after the other: three header lines, then class and text."""
    lines = [line for path in paths for line in path.read_text("utf-8").split("\n")[3:] if line.strip()]
    pairs = [line.split("\t", 1) for line in lines]
    return [text.strip() for _, text in pairs], np.array([label for label, _ in pairs])


def _number(cell: str) -> float:
    cell = cell.strip()
    return _WORDS[cell] if cell in _WORDS else float(cell)
