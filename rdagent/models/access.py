"""Which hub is asked, and with which token: from the settings, said before it is used."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from rdagent.core.settings import PathSettings, load
from rdagent.errors import RefusedError
from rdagent.models.hub import Hub


@dataclass(frozen=True, slots=True)
class HubAccess:
    """A hub, and what a user should know about how it is asked."""

    hub: Hub
    #: The token that may be used; never printed.
    token: str | None
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        return f"HubAccess({self.hub.endpoint})"


def hub_access(*, send_token: bool = False) -> HubAccess:
    """Return the hub of the settings; a token goes to the official one only, unless asked.

    Raises RefusedError when the settings forbid the network.
    """
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        if os.environ.get(name, "").strip().lower() in ("1", "true", "yes", "on"):
            raise RefusedError(f"{name} is set: nothing is fetched", hint=f"Unset {name} for it.")
    settings = load(PathSettings)
    token = _token(settings)
    plain = Hub(settings.hf_endpoint)
    if token is None:
        return HubAccess(plain, None, ())
    if plain.is_official or send_token:
        return HubAccess(Hub(settings.hf_endpoint, token), token, ())
    note = f"your token was not sent to {plain.endpoint}, which is not the official hub"
    return HubAccess(plain, None, (f"{note}; --send-token sends it",))


def _token(settings: PathSettings) -> str | None:
    if settings.hf_token is not None:
        return settings.hf_token.get_secret_value().strip() or None
    home = settings.hf_home or Path("~/.cache/huggingface")
    path = (settings.hf_token_path or home / "token").expanduser()
    if settings.hf_token_path is not None and not path.is_file():
        raise RefusedError(f"HF_TOKEN_PATH names {path}, which is not there")
    return path.read_text(encoding="utf-8").strip() or None if path.is_file() else None
