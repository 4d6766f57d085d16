"""Answer a plan for one variant: what is known is kept, the rest is asked chunk by chunk.

Needs no harness: ``engine`` answers, ``records.ledger`` keeps.  A chunk is on the disk
before the next one begins, so a kill costs one chunk.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rdagent.files import atomic
from rdagent.files.printable import one_line
from rdagent.inside.evaluate import failures
from rdagent.inside.evaluate.engine import Engine, EngineBroken
from rdagent.records.ledger import (
    LEDGER_FILE,
    Answer,
    Ledger,
    LedgerDamaged,
    LedgerWriter,
    dump,
    recover,
)
from rdagent.records.plan import Request, chunks_of
from rdagent.records.progress import ProgressLog

#: Answers of another run to the very same model: whatever of them is asked here is taken.
REUSED_FILE = "reused.jsonl"
_ERROR_LENGTH = 300


@dataclass(frozen=True, slots=True)
class Kept:
    """What was known before anything was asked."""

    ledger: Ledger
    #: How many answers another run gave, and how many an earlier attempt of this one.
    reused: int
    resumed: int
    dropped: int
    torn: bool


@dataclass(frozen=True, slots=True)
class Shard:
    """One of several processes that answer the same plan, each on a device of its own."""

    number: int
    of: int

    def __str__(self) -> str:
        return f"(part {self.number + 1} of {self.of})"

    def holds(self, chunk: int) -> bool:
        """Tell whether a chunk is this shard's."""
        return chunk % self.of == self.number


def ledger_name(shard: Shard | None) -> str:
    """Return the file that answers are appended to: a shard has one of its own."""
    return LEDGER_FILE if shard is None else f"ledger.{shard.number}.jsonl"


def take_up(
    folder: Path,
    kept: Path | None,
    requests: Sequence[Request],
    shard: Shard | None = None,
    *,
    whole_chunks: bool = True,
) -> Kept:
    """Write what is known already into the variant's ledger and return it.

    Ledgers of shards, in ``kept`` or in the folder itself, become one.  Of a chunk that is
    not whole nothing is kept where it can be asked again.
    """
    chunk_of = {request.name: request.chunk for request in requests}
    parts = sorted(folder.glob("ledger.*.jsonl")) if shard is None else []
    before = _Known(chunk_of, whole_chunks or bool(parts))
    for path in sorted(kept.glob("ledger*.jsonl")) if kept is not None else ():
        before.resume(path)
    own = set(before.ledger.answers)
    if kept is not None and (kept / REUSED_FILE).exists():
        before.reuse(kept / REUSED_FILE)
    known = before
    if parts:
        # Each part took up what was kept of it; what it then asked again goes before that.
        known = _Known(chunk_of, whole_chunks=False)
        for path in parts:
            known.resume(path)
    answers = known.ledger.answers
    mine = [a for a in answers.values() if shard is None or shard.holds(a.chunk)]
    atomic.write_bytes(folder / ledger_name(shard), dump(mine))
    for path in parts:
        path.unlink()  # its answers are in the whole one now
    resumed = len(own & answers.keys())
    reused = len((before.ledger.answers.keys() - own) & answers.keys())
    return Kept(known.ledger, reused, resumed, before.dropped, before.torn)


@dataclass(slots=True)
class _Known:
    """Answers as they are found, with the chunks of this plan."""

    chunk_of: Mapping[tuple[str, int], int]
    whole_chunks: bool
    ledger: Ledger = field(default_factory=Ledger)
    dropped: int = 0
    torn: bool = False

    def resume(self, path: Path) -> None:
        found = recover(path, self.chunk_of, whole=self.whole_chunks)
        self.dropped += found.dropped
        self.torn |= found.torn
        for answer in found.kept:
            self._add(answer)

    def reuse(self, path: Path) -> None:
        # Whatever of another run's answers is asked here is taken: its chunks were others.
        # The host checked it line by line; a file that is damaged all the same gives nothing.
        try:
            found = recover(path, dict.fromkeys(self.chunk_of, 0), whole=False).kept
        except LedgerDamaged as error:
            print(f"evaluate: {error.message}; it is not used", file=sys.stderr)
            return
        for answer in found:
            if answer.name not in self.ledger.answers:
                self._add(answer)

    def _add(self, answer: Answer) -> None:
        if answer.error is None:  # what failed is asked again
            self.ledger.add(replace(answer, chunk=self.chunk_of[answer.name]))


def answer(
    engine: Engine,
    requests: Iterable[Request],
    known: Ledger,
    path: Path,
    progress: ProgressLog,
) -> list[Answer]:
    """Ask what has no answer yet, append it to the ledger, and return the answers with errors.

    ``known`` is filled; each chunk's missing requests are asked together.
    """
    writer = LedgerWriter(path)
    failed: list[Answer] = []
    try:
        for chunk in chunks_of(requests):
            missing = known.missing(chunk)
            if not missing:
                continue
            answers = list(_ask(engine, missing, progress.step))
            writer.append(answers)
            for one in answers:
                known.add(one)
            failed += [one for one in answers if one.error is not None]
    finally:
        writer.close()
        progress.flush()
    return failed


def _ask(
    engine: Engine, requests: Sequence[Request], on_answer: Callable[[], None]
) -> Iterator[Answer]:
    """Yield the answers; a request that the engine breaks on is found and gets an error."""
    try:
        yield from engine.answer(requests, on_answer)
        return
    except Exception as error:
        if failures.is_memory(error) or isinstance(error, EngineBroken):
            raise
        if len(requests) == 1:
            traceback.print_exc()
            yield _broken(requests[0], error)
            return
    middle = len(requests) // 2
    yield from _ask(engine, requests[:middle], on_answer)
    yield from _ask(engine, requests[middle:], on_answer)


def _broken(request: Request, error: Exception) -> Answer:
    return Answer(
        request.key,
        request.draw,
        request.kind,
        prompt_tokens=request.tokens,
        error=one_line(f"{type(error).__name__}: {error}", _ERROR_LENGTH),
        chunk=request.chunk,
    )
