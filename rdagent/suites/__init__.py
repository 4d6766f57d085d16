"""Benchmarks of our own: tasks, data and scoring, each suite in one shape."""
