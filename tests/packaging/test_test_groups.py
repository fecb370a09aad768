"""Tests of one server run one after another: pytest-xdist says nothing where it loses their groups."""

from __future__ import annotations

import pytest


@pytest.mark.xdist_group("kept")
def test_groups_are_kept(request: pytest.FixtureRequest) -> None:
    by_groups = bool(request.config.getoption("loadgroup", default=False))
    assert request.node.nodeid.endswith("@kept") == by_groups
