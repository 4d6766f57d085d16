"""RD-Agent's import paths for settings."""
