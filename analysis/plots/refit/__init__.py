"""Figures of the refit on its data."""
