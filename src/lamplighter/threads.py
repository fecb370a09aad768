"""One thread for what must have the same bits on every machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from threading import Lock
from typing import Any

from threadpoolctl import OpenBLASController, ThreadpoolController


def one_thread() -> AbstractContextManager[object]:
    """Keep BLAS and OpenMP to one thread for as long as the block lasts.

    The last bits of a product or a sum depend on how it was divided among threads, and a batch may
    hang on them. Blocks may overlap in several threads of a process: the last one lifts the limit.
    """
    return _limited(ThreadpoolController().lib_controllers)


def one_blas_thread(loaded: str = "") -> AbstractContextManager[object]:
    """Keep BLAS to one thread, for what a worker does again and again: its libraries are looked up once.

    Parameters
    ----------
    loaded
        What tells apart the callers that load different libraries: they are looked up once for each.
    """
    return _limited(_blas(loaded))


@cache
def _blas(loaded: str) -> Sequence[Any]:
    libraries: Sequence[Any] = ThreadpoolController().select(user_api="blas").lib_controllers
    return libraries


@contextmanager
def _limited(libraries: Sequence[Any]) -> Iterator[None]:
    # OpenMP has a number for each thread of the process, and so has BLAS on it; else they share one.
    own = [library for library in libraries if getattr(library, "threading_layer", "openmp") == "openmp"]
    before = [library.num_threads for library in own]
    _SHARED.enter([library for library in libraries if library not in own])
    try:
        _set(own, [1] * len(own))
        yield
    finally:
        _set(own, before)
        _SHARED.leave()


class _Shared:
    """The libraries whose number of threads is the process's: the first block limits, the last lifts."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._blocks = 0
        self._before: dict[str, tuple[Any, int]] = {}

    def enter(self, libraries: Sequence[Any]) -> None:
        """Begin a block; libraries that were loaded since the first block began are limited from here on."""
        with self._lock:
            for library in libraries:
                self._before.setdefault(library.filepath, (library, library.num_threads))
            _take_over()
            _set(libraries, [1] * len(libraries))
            self._blocks += 1

    def leave(self) -> None:
        """End a block; the last gives the libraries the numbers that they had."""
        with self._lock:
            self._blocks -= 1
            if not self._blocks:
                _take_over()
                _set([library for library, _ in self._before.values()], [n for _, n in self._before.values()])
                self._before.clear()
                _take_over()


_SHARED = _Shared()


def _set(libraries: Sequence[Any], numbers: Sequence[int]) -> None:
    for library, number in zip(libraries, numbers, strict=True):
        library.set_num_threads(number)


def _take_over() -> None:
    """Let this thread set OpenBLAS's number: since threadpoolctl 3.8 only the thread that did first can."""
    clear = getattr(OpenBLASController, "clear_controlling_thread", None)
    if clear is not None:
        clear(force=True)
