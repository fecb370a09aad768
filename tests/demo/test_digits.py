"""The pictures of the digit pool are real PNG files of the rows that they stand for."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from matplotlib import image
from sklearn.datasets import load_digits

from lamplighter.testing.datasets import DemoPool
from lamplighter.testing.digits import DIGITS, ENLARGED, MARGIN, png, write_digit_pool


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> DemoPool:
    return write_digit_pool(tmp_path_factory.mktemp("digits"), rows=60)


def test_each_row_shows_its_own_pixels(demo: DemoPool) -> None:
    pool = pq.read_table(demo.pool)
    for vector, shown in zip(pool["embedding"].to_pylist(), pool["image"].to_pylist(), strict=True):
        kind, _, data = shown.partition(",")
        assert kind == "data:image/png;base64"
        seen = image.imread(io.BytesIO(base64.b64decode(data)), format="png")
        (above, aside), side = MARGIN, 8 * ENLARGED
        assert seen.shape == (2 * above + side, 2 * aside + side)
        inner = seen[above:-above, aside:-aside]
        assert inner.sum() + seen.size - inner.size == pytest.approx(seen.sum())  # white around it
        means = inner.reshape(8, ENLARGED, 8, ENLARGED).mean(axis=(1, 3)).ravel()
        assert np.corrcoef(means, vector)[0, 1] < -0.95  # dark where there is ink


def test_labels_lie_outside_the_pool_and_fit_its_rows(demo: DemoPool) -> None:
    pool, truth = pq.read_table(demo.pool), pq.read_table(demo.truth)
    assert pool.column_names == ["id", "embedding", "image"]
    assert pool["id"].to_pylist() == truth["id"].to_pylist() == list(range(1, 61))
    features, labels = load_digits(return_X_y=True)
    assert [int(label) for label in truth["label"].to_pylist()] == labels[:60].tolist()
    assert np.array_equal(np.array(pool["embedding"].to_pylist()) * 16, features[:60])


def test_classes_stand_in_the_order_of_the_keyboard(demo: DemoPool) -> None:
    assert demo.classes == DIGITS == tuple("1234567890")


def test_writing_again_gives_the_same_bytes(demo: DemoPool, tmp_path: Path) -> None:
    again = write_digit_pool(tmp_path, rows=60)
    for one, other in (
        (demo.pool / "digits.parquet", again.pool / "digits.parquet"),
        (demo.truth, again.truth),
    ):
        assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (5, 3)])
def test_png_keeps_every_pixel(shape: tuple[int, int]) -> None:
    picture = np.arange(shape[0] * shape[1], dtype=np.uint8).reshape(shape) * 17
    seen = image.imread(io.BytesIO(png(picture)), format="png")
    assert np.array_equal(np.round(seen * 255).astype(np.uint8), picture)
