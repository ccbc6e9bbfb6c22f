"""Layers and networks that a task may use."""
