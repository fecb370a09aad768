"""Labels from a file, features from the pool or the file itself, and what is wrong with either."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lamplighter.backtest.labelled import Gathered, LabelSource, gather
from lamplighter.config import load
from lamplighter.driver import Driver
from lamplighter.errors import (
    ConfigError,
    DuplicateRowIds,
    LabelError,
    PoolSchemaError,
    TooFewClasses,
    UnknownClass,
)
from tests.campaigns import DIMS, points, write_campaign, write_pool
from tests.steps.test_whole_rounds import spoil

Write = Callable[[dict[str, Any]], LabelSource]


@pytest.fixture
def driver(tmp_path: Path) -> Driver:
    write_pool(tmp_path, rows=60)
    return Driver(load(write_campaign(tmp_path)))


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(columns: dict[str, Any]) -> LabelSource:
        path = tmp_path / "labels.parquet"
        pq.write_table(pa.table(columns), path)
        return LabelSource(str(path))

    return written


@pytest.fixture
def read(driver: Driver, write: Write) -> Callable[[dict[str, Any]], Gathered]:
    return lambda columns: gather(driver, write(columns))


def known(rows: int = 60) -> dict[str, Any]:
    """Ids and labels of the pool."""
    return {"id": np.arange(1000, 1000 + rows), "label": points(60)[1][:rows]}


def vectors(x: Any) -> Any:
    return pa.FixedSizeListArray.from_arrays(pa.array(x.astype(np.float32).ravel()), x.shape[1])


def test_features_come_from_the_pool_by_id(driver: Driver, write: Write) -> None:
    order = np.random.default_rng(0).permutation(60)[:40]
    told = known()
    found = gather(driver, write({"id": told["id"][order], "label": [told["label"][i] for i in order]}))
    x, names = points(60)
    kept = np.sort(order)
    assert found.rows.ids.to_pylist() == (1000 + kept).tolist()
    np.testing.assert_array_equal(found.rows.x, x[kept])
    assert [driver.campaign.classes[c] for c in found.rows.label] == [names[i] for i in kept]
    assert found.notices == []
    # The order of the file does not enter into what it is called.
    assert gather(driver, write({k: np.asarray(v)[kept] for k, v in told.items()})).digest() == found.digest()


def test_a_file_with_features_needs_no_pool(driver: Driver, write: Write, tmp_path: Path) -> None:
    x, names = points(50, seed=9)
    source = write({"id": [f"row {i:02d}" for i in range(50)], "label": names, "embedding": vectors(x)})
    for file in (tmp_path / "pool").iterdir():
        file.unlink()
    found = gather(driver, source)
    assert found.rows.ids.to_pylist() == [f"row {i:02d}" for i in range(50)]
    np.testing.assert_array_equal(found.rows.x, x)


def test_both_ways_read_the_same(driver: Driver, write: Write) -> None:
    plain = gather(driver, write(known()))
    whole = gather(driver, write({**known(), "embedding": vectors(points(60)[0])}))
    assert plain.digest() == whole.digest()


def test_other_columns_and_other_kinds_of_text(driver: Driver, tmp_path: Path) -> None:
    path = tmp_path / "labels" / "part.parquet"
    path.parent.mkdir()
    told = known()
    table = {"row": pa.array(told["id"], pa.int32()), "fruit": pa.array(told["label"]).dictionary_encode()}
    pq.write_table(pa.table(table), path)
    source = LabelSource(str(path.parent), "row", "fruit")
    assert gather(driver, source).digest() == gather(driver, _plain(tmp_path)).digest()


def _plain(folder: Path) -> LabelSource:
    return LabelSource(str(folder / "truth.parquet"))


def test_rows_that_cannot_be_used_are_counted(driver: Driver, write: Write, tmp_path: Path) -> None:
    spoil(tmp_path / "pool" / "part-1000-0.parquet", rows=7)
    told = known(20)
    ids = [*told["id"].tolist(), 1003, 5, 6, 1030, None]
    labels = [*told["label"], told["label"][3], "pear", "plum", None, "pear"]
    found = gather(driver, write({"id": ids, "label": labels}))
    counts = (found.unlabelled, found.repeated, found.not_found, found.not_finite)
    assert counts == (2, 1, 2, 7)
    assert len(found.rows) == 13
    assert np.isfinite(found.rows.x).all()
    assert len(found.notices) == 4
    assert found.notices[2] == "2 labelled rows left out that are not in the pool"


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"label": ["appel", *["pear"] * 59]}, UnknownClass, "row 1000.*did you mean 'apple'"),
        ({"label": ["pear"] * 60}, TooFewClasses, "all of class 'pear'"),
        ({"label": pa.nulls(60, pa.string())}, LabelError, "none of the 0 ids|are none"),
        ({"id": [1000] * 60}, LabelError, "two labels for row 1000"),
        ({"id": [f"{i}" for i in range(60)]}, LabelError, "the pool's ids are int64"),
        ({"id": np.arange(60)}, LabelError, "none of the 60 ids in column 'id'"),
        ({"id": np.arange(60) + 0.5}, LabelError, "is double"),
        ({"id": np.full(60, 2**64 - 1, np.uint64), "label": ["pear"] * 60}, LabelError, "column 'id'"),
    ],
)
def test_labels_that_cannot_be_used(
    read: Callable[[dict[str, Any]], Gathered], changes: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        read(known() | changes)


def test_files_that_cannot_be_used(driver: Driver, write: Write, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there are no labels at .*nowhere"):
        gather(driver, LabelSource(str(tmp_path / "nowhere.parquet")))
    (tmp_path / "labels.csv").write_text("id,label\n1,pear\n")
    with pytest.raises(LabelError, match="cannot be read"):
        gather(driver, LabelSource(str(tmp_path / "labels.csv")))
    with pytest.raises(LabelError, match="unknown column 'label'; did you mean 'labels'"):
        gather(driver, write({"id": [1], "labels": ["pear"]}))
    with pytest.raises(LabelError, match="Protocol not known"):
        gather(driver, LabelSource("foo://bar"))
    with pytest.raises(PoolSchemaError, match="embedding"):
        gather(driver, write({**known(), "embedding": ["no vector"] * 60}))


def test_a_pool_with_an_id_twice(driver: Driver, write: Write, tmp_path: Path) -> None:
    part = tmp_path / "pool" / "part-1000-0.parquet"
    (tmp_path / "pool" / "copy.parquet").write_bytes(part.read_bytes())
    with pytest.raises(DuplicateRowIds, match="30 times in all"):
        gather(driver, write(known()))


def test_the_digest_tells_rows_apart(driver: Driver, write: Write) -> None:
    found = gather(driver, write(known()))
    rows = found.rows
    other = rows.take(np.arange(len(rows)))
    other.label[0] = (other.label[0] + 1) % 3
    moved = rows.take(np.arange(len(rows)))
    moved.x[0, 0] += 1
    assert len({found.digest(), Gathered(other).digest(), Gathered(moved).digest()}) == 3
    assert rows.x.shape == (60, DIMS)
