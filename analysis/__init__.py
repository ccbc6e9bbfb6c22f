"""What came out of a study: results, plots, the HTML report. Reads a study folder from disk; knows no Ray."""

from analysis.result import StudyResult

__all__ = ["StudyResult"]
