"""Score as a Prefect task, with its progress as an artifact of the run."""

import time
from uuid import UUID

from prefect import task
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.cache_policies import NO_CACHE

from lamplighter.driver import Driver
from lamplighter.progress import Progress, listening
from lamplighter.rounds import ScoreDone, Step
from tasks.step import run_step, worth_retrying

EVERY_S = 1.0


class ProgressArtifact:
    """Shows progress in the run's page, at most once a second."""

    def __init__(self, artifact_id: UUID) -> None:
        self.artifact_id = artifact_id
        self.shown_at = 0.0

    def __call__(self, progress: Progress) -> None:
        """Show it, unless the last was just shown; the end is always shown."""
        if not progress.measured:
            return
        now = time.monotonic()
        if now - self.shown_at >= EVERY_S or progress.share >= 1:
            self.shown_at = now
            update_progress_artifact(self.artifact_id, progress=round(100 * progress.share, 1))


@task(
    name="score",
    retries=2,
    retry_delay_seconds=[30, 300],
    retry_condition_fn=worth_retrying,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def score(driver: Driver) -> ScoreDone:
    """Score the whole pool on the Dask cluster, down to the exact shortlist.

    One task for the whole pool: a Prefect task per shard costs sixty times what the shard does. It
    has no time limit, since only the user knows how large the pool is.
    """
    artifact = create_progress_artifact(0.0, description=f"Scoring the pool of {driver.campaign.name}")
    if not isinstance(artifact, UUID):
        raise TypeError(f"expected the id of a progress artifact, got {artifact!r}")
    with listening(ProgressArtifact(artifact)):
        return run_step(driver, Step.SCORE, ScoreDone)
