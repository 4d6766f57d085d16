"""The smallest whole weights file: a header that describes no tensor."""

import json
import struct


def weights(mark: str = "") -> bytes:
    """Return a file's bytes; another mark makes other bytes."""
    header = json.dumps({"__metadata__": {"mark": mark}}).encode()
    return struct.pack("<Q", len(header)) + header
