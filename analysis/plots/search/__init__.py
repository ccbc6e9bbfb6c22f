"""Figures of the search."""
