"""Evaluate models with lm_eval: runs in the evaluation image."""
