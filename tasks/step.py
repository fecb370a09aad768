"""What the tasks share: how a step is run under Prefect, and which failures are worth another try."""

from typing import Any, TypeVar

from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task

from lamplighter.driver import Driver
from lamplighter.errors import (
    ClusterError,
    CommitUnknown,
    LabelerError,
    LabelerRefused,
    StoreError,
    StoreUnavailable,
)
from lamplighter.rounds import AnyStep, RoundRecord, Step
from lamplighter.steps import perform
from tasks.run_logs import logging_into_run

D = TypeVar("D", bound=AnyStep | RoundRecord)

#: Transient by nature. A step that was done meanwhile is read back, never done again.
TRANSIENT = (StoreUnavailable, LabelerError, ClusterError, CommitUnknown, ConnectionError, TimeoutError)


def worth_retrying(task: Task[Any, Any], run: TaskRun, state: State[Any]) -> bool:
    """Say whether a failed step may succeed on another try: not when the input is wrong."""
    try:
        state.result()
    except LabelerRefused:  # the same answer would only be waited for
        return False
    except TRANSIENT:
        return True
    except StoreError:
        return False
    except Exception:  # noqa: BLE001 - any other failure is for a person to look at
        return False
    return False


def run_step(driver: Driver, step: Step, kind: type[D]) -> D:
    """Do a step with its logs in the Prefect run and no secret in its errors; give its checkpoint."""
    with logging_into_run(driver), driver.campaign.redactor().guard():
        done = perform(driver, step)
    if not isinstance(done, kind):
        raise TypeError(f"step {step} gave {type(done).__name__}, expected {kind.__name__}")
    return done
