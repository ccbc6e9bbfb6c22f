"""Data: arrays, splits, batches, readers of files."""
