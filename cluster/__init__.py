"""Where a study runs: the runner, Ray, progress, the command line. Sees every other package."""
