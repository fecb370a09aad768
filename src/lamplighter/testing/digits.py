"""Pictures that people can label: the handwritten digits that scikit-learn ships, as a pool."""

from __future__ import annotations

import base64
import struct
import zlib
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.datasets import load_digits

from lamplighter.testing.datasets import DemoPool

U8: TypeAlias = npt.NDArray[np.uint8]
#: In the order of the keys 1 2 ... 9 0, so that an interface which numbers its choices fits the keyboard.
DIGITS = ("1", "2", "3", "4", "5", "6", "7", "8", "9", "0")
ENLARGED = 16
MARGIN = (16, 136)  #: white above and below, left and right: a page that fills its width shows it whole
GREYS = 16


def write_digit_pool(folder: Path | str, *, rows: int | None = None) -> DemoPool:
    """Write the digits under `folder` as a pool with pictures; their true labels go beside it.

    Alpaydin and Kaynak 1998, doi:10.24432/C50P49; 1,797 pictures of 8 x 8 pixels with 17 greys. The pool has
    the columns id int64, embedding (64 float32 in [0, 1]) and image: a PNG as a `data:` address, which a
    browser shows without asking a server. Writing again replaces the same files with the same bytes.

    Parameters
    ----------
    rows
        Take the first ones alone.
    """
    folder = Path(folder)
    images, labels = load_digits(return_X_y=True)
    images, labels = images[:rows].reshape(-1, 8, 8), labels[:rows]
    ids = pa.array(np.arange(1, len(labels) + 1))
    vectors = pa.FixedSizeListArray.from_arrays(pa.array((images / 16).astype(np.float32).ravel()), 64)
    shown = pa.array([address(picture) for picture in enlarged(images)])
    pool, truth = folder / "pool", folder / "truth" / "labels.parquet"
    _write(pa.table({"id": ids, "embedding": vectors, "image": shown}), pool / "digits.parquet")
    _write(pa.table({"id": ids, "label": [str(label) for label in labels]}), truth)
    return DemoPool(pool=pool, truth=truth, classes=DIGITS, rows=len(labels))


def enlarged(images: npt.NDArray[np.float64]) -> U8:
    """Draw (n, 8, 8) of 0 to 16 ink as (n, 160, 400) dark on white; people cannot read 8 pixels."""
    centres = (np.arange(8 * ENLARGED) + 0.5) / ENLARGED - 0.5
    between = np.array([np.interp(centres, np.arange(8), one) for one in np.eye(8)], np.float32)  # bilinear
    ink = between.T @ images.astype(np.float32) @ between
    step = 256 // GREYS  # few greys: a third of the bytes
    drawn: U8 = (255 - np.clip(ink, 0, 16) * (255 / 16)).astype(np.uint8) // step * step + (step - 1)
    return np.pad(drawn, ((0, 0), *((side, side) for side in MARGIN)), constant_values=255)


def address(picture: U8) -> str:
    """Give a grey picture (h, w) as a `data:` address that holds a PNG."""
    return "data:image/png;base64," + base64.b64encode(png(picture)).decode()


def png(picture: U8) -> bytes:
    """Give a grey picture (h, w) as PNG."""
    height, width = picture.shape
    lines = np.hstack([np.zeros((height, 1), np.uint8), picture])  # each line begins with its filter: none
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = zlib.compress(lines.tobytes())
    chunks = (_chunk(b"IHDR", head), _chunk(b"IDAT", body), _chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _write(table: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, compression="NONE", use_dictionary=False)
