"""The job runner beside the server, where one is wanted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pxl_platform.routing import Services

_STOP_S = 3.0


@contextmanager
def running_jobs(services: Services, folder: Path) -> Iterator[None]:
    """Run launched jobs for the block, if the services say so.

    Containers outlive the block; the next start finds them again.
    """
    if not services.runner_on:
        yield
        return
    # Imported here: a platform without a runner needs neither the journal nor the engine.
    from pxl_platform.job_store import DatabaseJobStore
    from pxl_platform.runner import JobRunner
    from pxl_toolbox.jobs.docker_executor import DockerExecutor
    from pxl_toolbox.jobs.owners import instance_id

    executor = DockerExecutor(instance_id(folder))
    runner = JobRunner(
        DatabaseJobStore(services.database), executor, journal=folder / "jobs.sqlite3"
    )
    runner.start()
    try:
        yield
    finally:
        runner.stop(_STOP_S)
        executor.close()
