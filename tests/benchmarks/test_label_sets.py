"""The sets of the label benchmark: parsing, duplicates, order, and the copy that is kept."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import label_files, label_sets, label_texts
from lamplighter.errors import MissingExtra, PoolFileError, UnknownName


def _write(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    return path


def test_a_missing_value_becomes_the_median_of_the_known_ones(tmp_path: Path) -> None:
    rows = ["hypothyroid,72,M,f,0.5", "negative,?,F,t,?", "negative,20, M,f,1.5", "negative,40,F,f,2.5"]
    x, labels = label_files.read_hypothyroid(_write(tmp_path / "h.txt", "\n".join(rows) + "\n"))
    assert x.dtype == np.float32
    assert x.tolist() == [[72, 1, 0, 0.5], [40, 0, 1, 1.5], [20, 1, 0, 1.5], [40, 0, 0, 2.5]]
    assert labels.tolist() == ["hypothyroid", "negative", "negative", "negative"]


def test_a_word_that_is_no_value_is_named(tmp_path: Path) -> None:
    with pytest.raises(PoolFileError, match=r"h\.txt.*maybe"):
        label_files.read_hypothyroid(_write(tmp_path / "h.txt", "negative,maybe\n"))


def test_digits_have_their_class_last(tmp_path: Path) -> None:
    path = tmp_path / "m.csv.gz"
    with gzip.open(path, "wt", encoding="ascii") as file:
        file.write("0,255,7\n3,4,0\n")
    x, labels = label_files.read_mnist(path)
    assert x.tolist() == [[0, 255], [3, 4]]
    assert labels.tolist() == ["7", "0"]


def test_tab_files_are_read_one_after_the_other(tmp_path: Path) -> None:
    header = "Category\tText\nd\tstring\nclass\t\n\n"
    train = _write(tmp_path / "a.tab", header + "earn\tprofit up \nacq\ta\tb\n")
    test = _write(tmp_path / "b.tab", header + "earn\tloss\n")
    texts, labels = label_files.read_tab(train, test)
    assert texts == ["profit up", "a\tb", "loss"]
    assert labels.tolist() == ["earn", "acq", "earn"]


def test_keel_values_may_follow_a_space(tmp_path: Path) -> None:
    text = "@relation p\n@attribute A real\n@attribute Class {1,2}\n@data\n5, 1\n 6.5, 2\n"
    x, labels = label_files.read_keel_file(_write(tmp_path / "k.dat", text))
    assert x.tolist() == [[5], [6.5]]
    assert labels.tolist() == ["1", "2"]


def test_a_package_that_is_missing_says_what_brings_it() -> None:
    with pytest.raises(MissingExtra, match=r"'no-such-data'.*make bench-labels"):
        label_files.version("no-such-data")
    with pytest.raises(MissingExtra, match=r"'numpy'.*no file 'a/b\.csv'.*make bench-labels"):
        label_files.package_file("numpy", "a/b.csv")


def test_an_unknown_set_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="did you mean 'letter'"):
        label_sets.load("leter", tmp_path)


def _safetensors(header: dict[str, object], numbers: bytes) -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + numbers


def test_a_tensor_is_read_as_written(tmp_path: Path) -> None:
    numbers = np.array([[1.5, -2], [0, 4], [8, 0.25]], "<f2")
    about = {"dtype": "F16", "shape": [3, 2], "data_offsets": [0, 12]}
    path = tmp_path / "t"
    path.write_bytes(_safetensors({"__metadata__": {"a": "b"}, "w": about}, numbers.tobytes()))
    found = label_texts.read_safetensor(path)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, numbers)
    path.write_bytes(_safetensors({"w": about | {"dtype": "I8"}}, numbers.tobytes()))
    with pytest.raises(PoolFileError, match="holds I8"):
        label_texts.read_safetensor(path)
    path.write_bytes(_safetensors({"w": about, "v": about}, numbers.tobytes()))
    with pytest.raises(PoolFileError, match="2 tensors"):
        label_texts.read_safetensor(path)


def test_only_equal_rows_with_equal_labels_are_duplicates() -> None:
    rows = np.array([[1, 2], [1, 2], [2, 1], [1, 2]], np.float32)
    labels = np.array(["a", "b", "a", "a"])
    assert label_sets.first_of_each(rows, labels).tolist() == [0, 1, 2]
    texts, kinds = ["x", "y", "x", "x"], np.array(["a", "a", "b", "a"])
    assert label_sets.first_of_each(texts, kinds).tolist() == [0, 1, 2]


def test_the_order_is_fixed_and_does_not_depend_on_the_other_rows() -> None:
    order = label_sets.shuffled(np.arange(1000, dtype=np.int64))
    assert sorted(order.tolist()) == list(range(1000))
    assert order[:6].tolist() == [683, 152, 182, 699, 290, 720]
    half = label_sets.shuffled(np.arange(0, 1000, 2, dtype=np.int64))
    np.testing.assert_array_equal(half, order[order % 2 == 0])


def test_a_set_is_parsed_once_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def read(path: Path) -> label_files.Table:
        calls.append(path)
        return np.array([[1], [2], [2], [3]], np.float32), np.array(["b", "a", "a", "b"])

    # Any installed package will do: its file is found, but `read` gives the rows.
    recipe = label_sets._Recipe("table", "numpy", ("numpy/version.py",), read)
    monkeypatch.setattr(label_sets, "SETS", {"tiny": recipe})
    monkeypatch.setattr(label_sets, "package_file", lambda package, file: tmp_path / file)
    first, second = (label_sets.load("tiny", tmp_path / "kept") for _ in range(2))
    assert len(calls) == 1
    assert len(list((tmp_path / "kept").iterdir())) == 1
    for found in (first, second):
        assert found.classes == ("a", "b")
        assert sorted(zip(found.x[:, 0], found.y, strict=True)) == [(1, 1), (2, 0), (3, 1)]
        assert found.smallest_class == ("a", 1 / 3)
        assert not found.embedding
        assert found.x.dtype == np.float32
        assert found.y.dtype == np.int32
    assert first.source == f"PyPI numpy {np.__version__}: numpy/version.py"


def test_letter_is_what_its_authors_describe(tmp_path: Path) -> None:
    # The one set whose package the test environment has: the demo's.
    letter = label_sets.load("letter", tmp_path)
    assert letter.x.shape == (label_sets.ROWS, 16)
    assert letter.classes == tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    assert letter.x.min() == 0
    assert letter.x.max() == 15
    assert len(np.unique(np.column_stack([letter.x, letter.y]), axis=0)) == len(letter)
