"""Which failures of a step Prefect tries again."""

from __future__ import annotations

from typing import Any, cast

import pytest
from prefect.states import Failed

from lamplighter.errors import ClusterError, ConfigError, LabelerError, LabelerRefused, StoreUnavailable
from lamplighter.labelers.asking import Unheard, UnheardForGood
from tasks.step import worth_retrying


def tried_again(error: Exception) -> bool:
    return worth_retrying(cast(Any, None), cast(Any, None), Failed(data=error))


@pytest.mark.parametrize(
    "error",
    [LabelerError("no answer"), Unheard("503"), ClusterError("gone"), StoreUnavailable("no"), TimeoutError()],
    ids=repr,
)
def test_what_may_pass_is_tried_again(error: Exception) -> None:
    assert tried_again(error)


@pytest.mark.parametrize(
    "error", [LabelerRefused("401"), UnheardForGood("400"), ConfigError("no"), ValueError("no")], ids=repr
)
def test_what_somebody_has_to_put_right_is_not(error: Exception) -> None:
    assert not tried_again(error)
