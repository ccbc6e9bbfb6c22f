"""Where a study runs: the runner, Ray, progress, the command line. Sees every other package."""

from cluster.runner import resume, run

__all__ = ["resume", "run"]
