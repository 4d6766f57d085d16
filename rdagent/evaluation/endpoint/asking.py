"""Let one model answer a plan: what is known is kept, the rest is asked, some at a time.

Answers are on the disk as soon as they are there, in whatever order they come: each stands
alone, so a kill costs those that were on their way.  Used by ``run``; ``client`` asks.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from rdagent.errors import RDAgentError, ResultError
from rdagent.evaluation.answers import REUSED_FILE
from rdagent.evaluation.endpoint.arguments import question_of
from rdagent.evaluation.endpoint.client import ChatClient, RequestFailed, Stopped
from rdagent.evaluation.endpoint.replies import Reply
from rdagent.evaluation.endpoint.server_facts import AnswerCounts, ServerFacts
from rdagent.evaluation.endpoint.workers import Done, Workers
from rdagent.files import atomic
from rdagent.records.ledger import LEDGER_FILE, Answer, LedgerWriter, Output, dump, recover
from rdagent.records.plan import Request, read_requests, require_sound
from rdagent.records.progress import ProgressLog
from rdagent.records.reasons import Reason

POLL_SECONDS = 0.2
#: What is on its way when the end is asked for is waited for, but not for ever.
DRAIN_SECONDS = 10.0
#: So many failures in a row, and at least so many for each thread, are the server's.
MOST_FAILURES, FAILURES_A_THREAD = 10, 2
#: In a ledger, in place of the number that were answered together: nobody knows.
BATCH = "remote"


@dataclass(frozen=True, slots=True)
class Order:
    """What one model is asked, and where its answers go."""

    name: str
    #: Holds the plan.
    plan: Path
    #: Of the variant, in the run's folder.
    folder: Path
    client: ChatClient
    seed: int
    #: Where it is written how far the model is, and who is told that it was.
    progress: Path
    tell: Callable[[Path], None] = lambda folder: None
    #: Why to end now; None to go on.
    ended: Callable[[], Reason | None] = lambda: None
    #: Whether the end was asked for twice.
    hurry: Callable[[], bool] = lambda: False
    #: Some prompts are the beginning of an answer.
    begun: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """How far one model came."""

    name: str
    total: int
    answered: int
    #: How many an earlier attempt of the run had answered, and how many another run.
    resumed: int
    reused: int
    #: ok, incomplete, cancelled or timeout.
    reason: Reason
    message: str = ""
    #: What ends it for every model of this server.
    fatal: RDAgentError | None = None


@dataclass(frozen=True, slots=True)
class _Heard:
    """What came of one request; no answer: the end was asked for before there was one."""

    answer: Answer | None = None
    reply: Reply | None = None


_Workers = Workers[Request, _Heard]


def ask(order: Order) -> Asked:
    """Ask what has no answer yet; what an earlier attempt or another run answered is kept.

    Answers of another run are taken only while the server says that it is the same one.
    """
    return _Asking(order).to_its_end()


@dataclass(slots=True)
class _Asking:
    order: Order
    _chunks: dict[tuple[str, int], int] = field(default_factory=dict, init=False)
    _known: set[tuple[str, int]] = field(default_factory=set, init=False)
    _reused: set[tuple[str, int]] = field(default_factory=set, init=False)
    _facts: ServerFacts = field(default_factory=ServerFacts, init=False)
    _counts: AnswerCounts = field(default_factory=AnswerCounts, init=False)
    _counts_reused: AnswerCounts = field(default_factory=AnswerCounts, init=False)
    _total: int = field(default=0, init=False)
    _resumed: int = field(default=0, init=False)
    _failed: int = field(default=0, init=False)
    _in_a_row: int = field(default=0, init=False)
    _last_error: str = field(default="", init=False)
    _reason: Reason | None = field(default=None, init=False)
    _fatal: RDAgentError | None = field(default=None, init=False)

    def to_its_end(self) -> Asked:
        self._take_up()
        self._ask_the_rest()
        if self._facts.is_another_server:
            self._give_back_reused()
            self._ask_the_rest()
        if self._reused:
            self._take_over_reused()
        self._write_facts()
        done = len(self._known | self._reused)
        return Asked(
            name=self.order.name,
            total=self._total,
            answered=done,
            resumed=self._resumed,
            reused=len(self._reused),
            reason=self._reason or ("ok" if done == self._total else "incomplete"),
            message=self._message(done),
            fatal=self._fatal,
        )

    def _planned(self) -> Iterator[Request]:
        # A job wrote the plan: what it is called decides whose answer it becomes later.
        return map(require_sound, read_requests(self.order.plan))

    def _take_up(self) -> None:
        """Find what is known, and leave a ledger without errors and torn lines."""
        self._chunks = {one.name: one.chunk for one in self._planned()}
        self._total = len(self._chunks)
        self._facts = ServerFacts.read(self.order.folder)
        self.order.client.dialect = self._facts.dialect
        for one in self._sound(REUSED_FILE):
            self._reused.add(one.name)
            self._counts_reused.add(one)
        kept = list(self._sound(LEDGER_FILE))
        for one in kept:
            if one.name not in self._reused:
                self._known.add(one.name)
                self._counts.add(one)
        self._resumed = len(self._known)
        self._write_ledger(kept)
        if self._reused:
            self._facts.earlier = tuple(self._facts.fingerprints)
            self._facts.fingerprints = []

    def _give_back_reused(self) -> None:
        # What failed is asked again as well: an error and an answer to it do not go together.
        own = [one for one in self._sound(LEDGER_FILE) if one.name not in self._reused]
        self._write_ledger(own)
        (self.order.folder / REUSED_FILE).unlink(missing_ok=True)
        self._reused.clear()
        self._counts_reused = AnswerCounts()
        self._facts.earlier = None

    def _take_over_reused(self) -> None:
        """Put another run's answers into the ledger: every run's folder stands alone."""
        found = {one.name: one for one in self._sound(REUSED_FILE)}
        own = _lines(self.order.folder / LEDGER_FILE, self._chunks)
        self._write_ledger([*(one for one in own if one.name not in found), *found.values()])

    def _write_ledger(self, answers: Iterable[Answer]) -> None:
        mine = (replace(one, chunk=self._chunks[one.name]) for one in answers)
        atomic.write_bytes(self.order.folder / LEDGER_FILE, dump(mine))

    def _sound(self, name: str) -> Iterator[Answer]:
        """Yield a ledger's answers to what is asked here, without the errors in it."""
        lines = _lines(self.order.folder / name, self._chunks)
        yield from (one for one in lines if one.error is None)

    def _ask_the_rest(self) -> None:
        have = self._known | self._reused
        if self._ends() or len(have) == self._total:
            return
        self.order.client.stop = threading.Event()
        waiting = (one for one in self._planned() if one.name not in have)
        progress = ProgressLog(
            self.order.progress, self.order.name, total=self._total, known=len(have)
        )
        writer = LedgerWriter(self.order.folder / LEDGER_FILE)
        workers = _Workers(self._ask, self.order.client.endpoint.concurrency)
        try:
            progress.begin()
            self._run(waiting, workers, writer, progress)
        finally:
            self.order.client.stop.set()
            workers.close()
            writer.close()
            progress.flush()
            self.order.tell(self.order.progress)

    def _run(
        self,
        waiting: Iterator[Request],
        workers: _Workers,
        writer: LedgerWriter,
        progress: ProgressLog,
    ) -> None:
        given_up: float | None = None
        while True:
            while not self._ends() and workers.are_free and (one := next(waiting, None)):
                workers.give(one)
            if not workers.are_busy:
                return
            self._keep(workers.take(POLL_SECONDS), writer, progress)
            self.order.tell(self.order.progress)
            if self._ends():
                self.order.client.stop.set()  # whoever waits for another try need not
                given_up = given_up or time.monotonic() + self._grace()
                if time.monotonic() >= given_up or self.order.hurry():
                    return

    def _grace(self) -> float:
        return 0.0 if self._reason == "timeout" else DRAIN_SECONDS

    def _ends(self) -> bool:
        """Tell whether nothing more is to be asked; the first reason stays."""
        if self._reason is None:
            self._reason = self.order.ended()
        return self._reason is not None

    def _ask(self, request: Request) -> _Heard:
        """Ask one request, in one of the threads."""
        question = question_of(request, self.order.seed)
        answer = Answer(request.key, request.draw, request.kind, chunk=request.chunk, batch=BATCH)
        began = time.monotonic()
        try:
            reply = self.order.client.ask(question)
        except Stopped:
            return _Heard()
        except RequestFailed as error:
            return _Heard(replace(answer, error=str(error), seconds=time.monotonic() - began))
        output = Output(question.cut(reply.text), reply.finish_reason, reply.n_tokens)
        seconds = time.monotonic() - began
        answer = replace(
            answer, outputs=(output,), prompt_tokens=reply.prompt_tokens, seconds=seconds
        )
        return _Heard(answer, reply)

    def _keep(
        self, done: Iterable[Done[_Heard]], writer: LedgerWriter, progress: ProgressLog
    ) -> None:
        ended = list(done)
        heard = [one.result for one in ended if one.result is not None]
        answers = [one.answer for one in heard if one.answer is not None]
        if answers:
            writer.append(answers)
        for answer in answers:
            self._count(answer, progress)
        news = [self._facts.hear(one.reply) for one in heard if one.reply is not None]
        if any(news):
            self._write_facts()
        if len(answers) < len(heard):
            # A pause would have outlasted the deadline.
            self._reason = self._reason or self.order.ended() or "timeout"
        for one in ended:
            if one.error is not None:
                self._stop_for(one.error)

    def _count(self, answer: Answer, progress: ProgressLog) -> None:
        if answer.error is None:
            self._in_a_row = 0
            self._known.add(answer.name)
            self._counts.add(answer)
            progress.step()
            return
        self._failed += 1
        self._in_a_row += 1
        self._last_error = answer.error
        a_thread = FAILURES_A_THREAD * self.order.client.endpoint.concurrency
        if self._in_a_row >= max(MOST_FAILURES, a_thread):
            self._reason = self._reason or "incomplete"

    def _stop_for(self, error: Exception) -> None:
        if not isinstance(error, RDAgentError):
            raise error
        self._fatal = self._fatal or error
        self._reason = self._reason or "incomplete"

    def _write_facts(self) -> None:
        client = self.order.client
        self._facts.dialect = client.dialect
        counts = self._counts.with_(self._counts_reused)
        notes = [*self._facts.notes(), *counts.notes(begun=self.order.begun)]
        self._facts.write(self.order.folder, client.endpoint, client.model, notes)

    def _message(self, done: int) -> str:
        told = f"{self.order.name}: {done} of {self._total} requests are answered"
        if self._fatal is not None:
            return f"{told}; {self._fatal}"
        return f"{told}, {self._failed} failed: {self._last_error}" if self._failed else told


def _lines(path: Path, chunks: Mapping[tuple[str, int], int]) -> tuple[Answer, ...]:
    """Return what a ledger says of what is asked here; one that is not there is empty."""
    if not path.exists():
        return ()
    try:
        return recover(path, chunks, whole=False).kept
    except ResultError as error:
        error.hint = error.hint or f"--fresh asks everything again; the answers are in {path}"
        raise
