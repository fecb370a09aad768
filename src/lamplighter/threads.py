"""One thread for what must have the same bits on every machine."""

from __future__ import annotations

from contextlib import AbstractContextManager

from threadpoolctl import threadpool_limits


def one_thread() -> AbstractContextManager[object]:
    """Keep BLAS and OpenMP to one thread for as long as the block lasts.

    The last bits of a product or a sum depend on how it was divided among threads, and a batch may
    hang on them.
    """
    limited: AbstractContextManager[object] = threadpool_limits(limits=1)
    return limited
