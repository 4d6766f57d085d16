"""Turns texts into vectors with a local model: a job of its own in the evaluation image."""
