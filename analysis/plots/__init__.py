"""Figures of a study, one per file: ``compute`` returns the numbers, ``draw`` puts them on matplotlib axes."""
