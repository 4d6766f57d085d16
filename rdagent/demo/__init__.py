"""The embedded default: a tiny model, made-up homes, one task."""
