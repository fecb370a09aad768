"""The library's log records, those forwarded from Dask workers too, in the Prefect run."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from prefect.context import FlowRunContext, TaskRunContext
from prefect.logging.handlers import APILogHandler

from lamplighter.driver import Driver


class _BindRun(logging.Filter):
    """Gives a record its run; records from Dask's threads carry no run context of their own."""

    def __init__(self) -> None:
        super().__init__()
        flow, task = FlowRunContext.get(), TaskRunContext.get()
        self.flow_run_id = str(flow.flow_run.id) if flow and flow.flow_run else None
        self.task_run_id = str(task.task_run.id) if task else None
        self.task_run_name = task.task_run.name if task else None

    def filter(self, record: logging.LogRecord) -> bool:
        record.flow_run_id = self.flow_run_id
        record.task_run_id = self.task_run_id
        record.task_run_name = self.task_run_name
        return self.flow_run_id is not None


@contextmanager
def logging_into_run(driver: Driver) -> Iterator[None]:
    """Send records of the `lamplighter` logger to the current run, secrets blotted out."""
    logger, handler = logging.getLogger("lamplighter"), APILogHandler()
    handler.addFilter(_BindRun())
    handler.addFilter(driver.campaign.redactor())
    logger.addHandler(handler)
    before = logger.level
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
