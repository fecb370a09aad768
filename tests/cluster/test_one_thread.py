"""One thread: in every block, however blocks of several threads overlap, and in what workers are sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from threading import Event, Thread
from typing import Any

import numpy as np
import pytest
import sklearn.cluster  # noqa: F401  loads OpenMP
from threadpoolctl import ThreadpoolController, threadpool_limits

from lamplighter import cluster
from lamplighter.threads import one_blas_thread, one_thread

pytestmark = pytest.mark.xdist_group("cluster")

Block = Callable[[], AbstractContextManager[object]]


def counts(user_api: str = "blas") -> set[int]:
    """Give the numbers of threads that the loaded libraries have, as this thread sees them."""
    libraries = ThreadpoolController().select(user_api=user_api).lib_controllers
    return {library.num_threads for library in libraries}


@pytest.fixture(autouse=True)
def three_threads() -> Iterator[None]:
    """Give BLAS and OpenMP three threads, whatever the machine has."""
    with threadpool_limits(3):
        assert (counts(), counts("openmp")) == ({3}, {3})
        yield


class Other:
    """Another thread in a block of its own, which it leaves when told."""

    def __init__(self, block: Block) -> None:
        self.block, self.entered, self.told = block, Event(), Event()
        self.thread = Thread(target=self._run)
        self.seen: list[set[int]] = []

    def _run(self) -> None:
        with self.block():
            self.entered.set()
            assert self.told.wait(60)
            self.seen = [counts(), counts("openmp")]

    def __enter__(self) -> Other:
        self.thread.start()
        assert self.entered.wait(60)
        return self

    def __exit__(self, *_: object) -> None:
        self.told.set()
        self.thread.join(60)


@pytest.mark.parametrize("block", [one_thread, one_blas_thread])
def test_the_last_of_overlapping_blocks_lifts_the_limit(block: Block) -> None:
    other = Other(block)
    with block():
        other.__enter__()
    assert counts() == {1}
    other.__exit__()
    assert other.seen[0] == {1}
    assert counts() == {3}


def test_the_first_to_enter_may_be_another_thread() -> None:
    with Other(one_thread) as other:
        with one_thread():
            assert (counts(), counts("openmp")) == ({1}, {1})
            other.__exit__()
            assert other.seen == [{1}, {1}]
            assert (counts(), counts("openmp")) == ({1}, {1})
        assert (counts(), counts("openmp")) == ({3}, {3})


def test_blocks_nest_and_an_error_ends_them() -> None:
    with one_thread():
        with pytest.raises(ZeroDivisionError), one_blas_thread(), one_thread():
            _ = counts().pop() / 0
        assert (counts(), counts("openmp")) == ({1}, {1})
    assert (counts(), counts("openmp")) == ({3}, {3})


def test_blas_alone_leaves_openmp() -> None:
    with one_blas_thread():
        assert (counts(), counts("openmp")) == ({1}, {3})


def test_nobody_is_left_in_charge_of_openblas() -> None:
    with one_thread(), Other(one_thread):
        pass
    seen: list[set[int]] = []

    def limit() -> None:
        with threadpool_limits(2):
            seen.append(counts())

    thread = Thread(target=limit)
    thread.start()
    thread.join()
    assert seen == [{2}]
    assert counts() == {3}


def seen_by_a_worker(item: int) -> tuple[int, set[int], set[int]]:
    np.ones((2, 2)) @ np.ones((2, 2))
    return item, counts(), counts("openmp")


def test_what_a_worker_is_sent_runs_in_one_thread(threads: Any) -> None:
    found = cluster.map_items(threads, seen_by_a_worker, range(6))
    assert found == [(item, {1}, {1}) for item in range(6)]
    assert counts() == {3}
