"""``preflight.json``: what a training's job saw of its data before it loaded the model.

Written by ``inside/train``, read by the host's ``training``.
"""

from __future__ import annotations

PREFLIGHT_FILE = "preflight.json"
PREFLIGHT_SCHEMA = "rdagent.preflight/1"
