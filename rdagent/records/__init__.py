"""Formats that the host and the programs inside the images share (standard library only)."""
