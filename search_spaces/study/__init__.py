"""The study file: its sections, checked."""
