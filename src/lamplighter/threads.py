"""One thread for what must have the same bits on every machine."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache

from threadpoolctl import ThreadpoolController, threadpool_limits


def one_thread() -> AbstractContextManager[object]:
    """Keep BLAS and OpenMP to one thread for as long as the block lasts.

    The last bits of a product or a sum depend on how it was divided among threads, and a batch may
    hang on them.
    """
    limited: AbstractContextManager[object] = threadpool_limits(limits=1)
    return limited


def one_blas_thread(loaded: str = "") -> AbstractContextManager[object]:
    """Keep BLAS to one thread, for what a worker does again and again: its libraries are looked up once.

    Parameters
    ----------
    loaded
        What tells apart the callers that load different libraries: they are looked up once for each.
    """
    limited: AbstractContextManager[object] = _libraries(loaded).limit(limits=1, user_api="blas")
    return limited


@cache
def _libraries(loaded: str) -> ThreadpoolController:
    return ThreadpoolController()
