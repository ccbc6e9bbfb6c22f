"""What runs the cohorts: this process, or Ray Tune."""
