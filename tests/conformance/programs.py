"""The programs of the conformance suite: one shell script each, and what a fake would do."""

from dataclasses import dataclass
from pathlib import Path

from rdagent.jobs.backends.base import FilledIn
from rdagent.jobs.backends.fake import Program


@dataclass(frozen=True)
class Case:
    script: str
    fake: Program

    @property
    def argv(self) -> tuple[str, ...]:
        return ("sh", "-c", self.script)


def _write_words(words: FilledIn, out: Path) -> None:
    generated = words.files.get("told.txt", "")
    (out / "words.txt").write_text(f"{words.environment['PLACE']}\n{generated}\n")


STATUS = '{"schema": "rdagent.inside-status/1", "reason": "ok", "parts": []}'
WRITE_STATUS = f"printf '%s' '{STATUS}' > status.json"

CASES = {
    "succeeds": Case(WRITE_STATUS, Program(writes={"status.json": STATUS.encode()})),
    "fails": Case("exit 3", Program(exit_code=3)),
    "prints": Case(
        "printf 'to stdout\\n'; printf 'to stderr\\n' >&2",
        Program(prints=(b"to stdout\n", b"to stderr\n")),
    ),
    "prints_bytes": Case("printf '\\377\\376ok\\n'", Program(prints=(b"\xff\xfeok\n",))),
    "prints_much": Case(
        "head -c 3000000 /dev/zero | tr '\\0' x; echo the-end",
        Program(prints=(b"x" * 3_000_000, b"the-end\n")),
    ),
    "sleeps": Case("sleep 60", Program(seconds=60)),
    "is_silent_and_deaf": Case(
        "trap '' TERM; while :; do sleep 0.1; done", Program(seconds=60, ignores_term=True)
    ),
    "writes_nothing": Case("true", Program()),
    "writes_half": Case(
        'printf \'{"schema": "rdag\' > status.json',
        Program(writes={"status.json": b'{"schema": "rdag'}),
    ),
    "writes_a_link": Case(
        "ln -s /etc/passwd status.json",
        Program(does=lambda words, out: (out / "status.json").symlink_to("/etc/passwd")),
    ),
    "writes_words": Case(
        'printf \'%s\\n%s\\n\' "$PLACE" "$(cat "$TOLD")" > words.txt', Program(does=_write_words)
    ),
    "writes_then_sleeps": Case(
        f"{WRITE_STATUS}; echo ready; sleep 60", Program(seconds=60, prints=(b"ready\n",))
    ),
}
MISSING = ("/no/such/program",)


def fake_programs() -> dict[tuple[str, ...], Program]:
    return {case.argv: case.fake for case in CASES.values()}
