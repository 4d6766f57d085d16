"""Files that survive crashes, strangers and concurrent writers (standard library only)."""
