"""A ledger with a gap, a damaged or a foreign record is refused, and the message says which and why."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lamplighter.errors import StoreError
from lamplighter.store import LocalStore, ObjectStore
from lamplighter.store.log import RoundLog, record_key
from lamplighter.testing.faults import Counting
from tests.store.records import plain_steps, record, write_rounds


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(str(tmp_path))


def test_gaps_are_refused(store: LocalStore, tmp_path: Path) -> None:
    write_rounds(RoundLog(store), 3)
    (tmp_path / record_key(2)).unlink()
    with pytest.raises(StoreError, match=rf"gap: round 2 has no {record_key(2)}, but round 3 is there"):
        RoundLog(store).history()


def test_steps_of_a_later_round_are_a_gap(store: LocalStore) -> None:
    write_rounds(RoundLog(store), 1)
    RoundLog(store).checkpoint(plain_steps(3)[0])
    with pytest.raises(StoreError, match="gap: round 2 has no"):
        RoundLog(store).history()


def test_a_step_without_the_one_before_is_a_gap(store: LocalStore) -> None:
    RoundLog(store).checkpoint(plain_steps(1)[0])
    RoundLog(store).checkpoint(plain_steps(1)[2])
    with pytest.raises(StoreError, match=r"gap: round 1 has no rounds/000001/train.json"):
        RoundLog(store).history()


def test_a_round_written_during_the_listing_is_no_gap(store: LocalStore) -> None:
    write_rounds(RoundLog(store), 3)

    class Slow(Counting):
        def list(self, prefix: str = "") -> list[str]:
            found = [*super().list(prefix)]
            if len(self.calls) == 1:  # the listing began before round 2 was committed
                found.remove(record_key(2))
            return found

    assert len(RoundLog(Slow(store)).history().records) == 3


def test_rounds_are_committed_in_order(store: LocalStore) -> None:
    write_rounds(RoundLog(store), 1)
    with pytest.raises(StoreError, match=r"round 3 cannot be committed .* before round 2"):
        RoundLog(store).append(record(plain_steps(3)))
    assert len(RoundLog(store).history().records) == 1


def test_other_files_are_not_the_ledgers(store: LocalStore) -> None:
    write_rounds(RoundLog(store), 1)
    for key in ("rounds/9/record.json", "rounds/0000009/record.json", "rounds/000009/notes.json", "rounds/x"):
        store.put(key, b"?")
    assert len(RoundLog(store).history().records) == 1


def damage(store: ObjectStore, change: dict[str, object]) -> None:
    """Change fields of the first record."""
    document = json.loads(store.get(record_key(1)))
    store.put(record_key(1), json.dumps({**document, **change}).encode())


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"format": 2}, r"has format 2, this Lamplighter reads format 1; install"),
        ({"format": "1"}, r"has format '1'"),
        ({"colour": "red"}, r"damaged: colour: Extra inputs"),
        ({"committed_at": "yesterday"}, r"damaged: committed_at"),
        ({"train": None}, r"damaged: train"),
        ({"round": 2}, r"wrong key: it is 'rounds/000002/record.json'"),
    ],
)
def test_damaged_records_are_refused(store: LocalStore, change: dict[str, object], complaint: str) -> None:
    write_rounds(RoundLog(store), 1)
    damage(store, change)
    with pytest.raises(StoreError, match=complaint) as raised:
        RoundLog(store).history()
    assert f"'{record_key(1)}' in {store.url}" in str(raised.value)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"{}", b"\xff", b"null"])
def test_rubbish_is_refused(store: LocalStore, data: bytes) -> None:
    store.put(record_key(1), data)
    with pytest.raises(StoreError, match=rf"'{record_key(1)}' .* is no record of a round"):
        RoundLog(store).history()
