"""Readers of real data sets: each turns files into arrays, or says in one line which file is wrong and how."""
