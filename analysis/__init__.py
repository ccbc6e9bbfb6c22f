"""What came out of a study. Reads its folder; knows no Ray."""
