"""What the tests of backtests start from."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.campaigns import write_pool


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_pool(tmp_path, rows=200)
    return tmp_path
