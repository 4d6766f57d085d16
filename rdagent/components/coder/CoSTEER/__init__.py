"""RD-Agent's import paths for evaluators."""
