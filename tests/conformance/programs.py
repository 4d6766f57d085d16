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

LOTS = 400 << 20


def _list_inputs(words: FilledIn, out: Path) -> None:
    (out / "seen.txt").write_text("\n".join(sorted(words.files)) + "\n")


def _say_where(words: FilledIn, out: Path) -> None:
    (out / "where.txt").write_text("here\n")


def _list_environment(words: FilledIn, out: Path) -> None:
    (out / "environment.txt").write_text("\n".join(sorted(words.environment)) + "\nPATH\n")


CASES = {
    "leaves_a_child_in_a_session_of_its_own": Case(
        # Over before anybody looks: only its parent's launcher can still find the child.
        "setsid sh -c 'while :; do date +%s%N > beat.txt; sleep 0.2; done' & "
        "while ! test -s beat.txt; do :; done; exit 0",
        Program(seconds=0.3, writes={"beat.txt": b"1"}),
    ),
    "is_deaf_and_so_is_its_child": Case(
        "trap '' TERM; (trap '' TERM; while :; do sleep 0.1; date +%s%N > beat.txt; done) & "
        "while :; do sleep 0.1; done",
        Program(seconds=60, ignores_term=True, writes={}),
    ),
    "listens_to_term": Case(
        "trap 'echo goodbye; exit 0' TERM; echo ready; while :; do sleep 0.1; done",
        Program(seconds=60, prints=(b"ready\n",)),
    ),
    "ends_itself": Case("kill -KILL $$", Program(exit_code=137)),
    "ends_with_255": Case("exit 255", Program(exit_code=255)),
    "takes_too_much_memory": Case(
        f"mkfifo pipe; (head -c {LOTS} /dev/zero; sleep 30) > pipe & exec tail -c {LOTS} < pipe",
        Program(exit_code=137, out_of_memory=True),
    ),
    "has_a_child_that_takes_too_much_memory": Case(
        f"(head -c {LOTS} /dev/zero; sleep 5) | tail -c {LOTS}; exit 0",
        Program(out_of_memory=True),
    ),
    "says_refused": Case(
        f"printf '%s' '{STATUS}' | sed s/ok/refused/ > status.json; exit 2",
        Program(exit_code=2, writes={"status.json": STATUS.replace('"ok"', '"refused"').encode()}),
    ),
    "lists_its_inputs": Case('ls "$IN" > seen.txt', Program(does=_list_inputs)),
    "says_where_it_is": Case(
        "test -e ../out/where.txt || echo here > where.txt", Program(does=_say_where)
    ),
    "lists_its_environment": Case(
        "env | cut -d= -f1 > environment.txt", Program(does=_list_environment)
    ),
    "counts": Case(
        "for i in 1 2 3 4 5 6; do echo line $i; sleep 0.3; done",
        Program(seconds=2, prints=tuple(f"line {i}\n".encode() for i in range(1, 7))),
    ),
    "writes_a_file_in_tmp": Case(
        'echo x > "$TMPDIR/mine.txt" && cat "$TMPDIR/mine.txt"', Program(prints=(b"x\n",))
    ),
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
