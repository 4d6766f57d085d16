"""Where a job's secrets may stand: in the environment of its own process, and nowhere else.

An argv and a container's recorded environment can be read by whoever may ask the
engine, or list processes; so a secret there is refused, or travels another way.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from rdagent.errors import RefusedError
from rdagent.files.redaction import is_secret_name, redact_text, secrets_of
from rdagent.jobs.spec import JobSpec

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

#: Reads variables from its input, a line each, and becomes the program.
READER = 'while IFS= read -r line; do export "$line"; done; exec "$@" </dev/null'


@dataclass(frozen=True, slots=True)
class SplitEnvironment:
    """A job's variables: those that anybody may see, and the others."""

    open: dict[str, str]
    secret: dict[str, str]

    def lines(self) -> bytes:
        """Return the secret ones as ``READER`` reads them."""
        return "".join(f"{name}={value}\n" for name, value in self.secret.items()).encode()


def split_environment(environment: Mapping[str, str]) -> SplitEnvironment:
    """Sort a job's variables by whether their names are those of secrets."""
    secret = {n: v for n, v in environment.items() if v and is_secret_name(n)}
    return SplitEnvironment({n: v for n, v in environment.items() if n not in secret}, secret)


def require_unexposed(spec: JobSpec) -> None:
    """Refuse a job that would show a secret in its argv or in a generated file."""
    secrets = tuple(secrets_of(spec.environment).values())
    for what, text in (
        *(("an argument", word) for word in spec.argv),
        *((f"the generated file {name}", text) for name, text in spec.files.items()),
    ):
        if redact_text(text, secrets) != text:
            raise RefusedError(
                f"{what} of the job holds a secret, which whoever lists processes could read",
                hint="Pass it as a variable (HF_TOKEN, for example) and let the program read that.",
            )
    for name, value in split_environment(spec.environment).secret.items():
        if not _NAME.fullmatch(name) or "\n" in value or "\0" in value:
            raise RefusedError(
                f"the variable {name!r} cannot be passed: it has several lines or a strange name",
                hint="Put the value into a file and mount that.",
            )
