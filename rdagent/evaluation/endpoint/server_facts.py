"""What a server said of itself while it answered, and the record of it beside the answers.

A server's fingerprint changes when what it runs does: answers of two are answers of two.
Goes into ``answered.json``, from which a run that goes on takes it up again.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rdagent import __version__
from rdagent.errors import ResultError
from rdagent.evaluation.endpoint.address import Endpoint
from rdagent.evaluation.endpoint.arguments import Dialect
from rdagent.evaluation.endpoint.replies import REFUSAL, Reply
from rdagent.records.answered import Answered
from rdagent.records.ledger import Answer

#: A server that says another word each time is not written down for ever.
_MOST = 20
_THINKING = "<think>"


@dataclass(slots=True)
class ServerFacts:
    """What is known of a server by now; each list in the order in which it was said."""

    fingerprints: list[str] = field(default_factory=list)
    models: list[str] = field(default_factory=list)
    dialect: Dialect = field(default_factory=Dialect)
    #: Of those that answered for another run, and whose answers were taken.
    earlier: tuple[str, ...] | None = None

    def hear(self, reply: Reply) -> bool:
        """Take note of an answer; tells whether it said something new."""
        news = [_add(self.fingerprints, reply.fingerprint), _add(self.models, reply.model)]
        return any(news)

    @property
    def is_another_server(self) -> bool:
        """Whether those that answer now are not those that answered for the other run."""
        return self.earlier is not None and not set(self.fingerprints) <= set(self.earlier)

    @classmethod
    def read(cls, folder: Path) -> ServerFacts:
        """Return what an earlier attempt heard; nothing when it left no record."""
        try:
            info = Answered.read(folder).model_info
        except ResultError:
            return cls()
        return cls(
            fingerprints=_texts(info.get("endpoint_fingerprints")),
            models=_texts(info.get("endpoint_models_reported")),
            dialect=Dialect.from_json(info.get("endpoint_dialect")),
        )

    def write(self, folder: Path, endpoint: Endpoint, model: str, notes: list[str]) -> None:
        """Write ``answered.json``, from which scoring tells who answered."""
        said = {
            "endpoint_url": endpoint.url,
            "endpoint_model": model,
            "endpoint_revision": endpoint.revision,
            "endpoint_fingerprints": self._all_fingerprints(),
            "endpoint_models_reported": self.models,
            "endpoint_dialect": self.dialect.to_json(),
        }
        Answered(
            engine="endpoint",
            device="remote",
            dtype="unknown",
            batch_size="1",
            max_model_len=0,
            model_args={"model": model, "base_url": endpoint.url},
            model_info=said,
            versions={"rdagent": __version__},
            notes=tuple(notes),
        ).write(folder)

    def _all_fingerprints(self) -> list[str]:
        return list(dict.fromkeys([*(self.earlier or ()), *self.fingerprints]))[:_MOST]

    def notes(self) -> list[str]:
        """Return what a reader of the numbers should know of who answered."""
        notes = []
        heard = self._all_fingerprints()
        if len(heard) > 1:
            notes.append(
                f"the server's fingerprint changed while it was asked ({', '.join(heard)}):"
                " answers may be of different models"
            )
        if not self.dialect.seeds:
            notes.append("the server takes no seed: drawn answers cannot be drawn again")
        if not self.dialect.stops:
            notes.append("the server takes no stop strings: answers were cut at them afterwards")
        return notes


@dataclass(slots=True)
class AnswerCounts:
    """How often answers were of a kind that a reader should know of."""

    counts: Counter[str] = field(default_factory=Counter)

    def add(self, answer: Answer) -> None:
        """Count one answer."""
        for output in answer.outputs:
            self.counts["refused"] += output.finish_reason == REFUSAL
            self.counts["thinking"] += output.text.lstrip().startswith(_THINKING)

    def with_(self, others: AnswerCounts) -> AnswerCounts:
        """Return the counts of both."""
        return AnswerCounts(self.counts + others.counts)

    def notes(self, *, begun: bool) -> list[str]:
        """Return a line for each kind that occurred; ``begun``: prompts began the answer."""
        notes = []
        if count := self.counts["refused"]:
            notes.append(f"{count} answers are refusals; their text is scored as it came")
        if count := self.counts["thinking"]:
            notes.append(
                f"{count} answers begin with {_THINKING}: what is thought stands in the answer"
                " (vLLM keeps it apart with --reasoning-parser)"
            )
        if begun:
            notes.append(
                "prompts begin the answer (gen_prefix): the server was told to go on with it, as"
                " vLLM and SGLang do; another one may have begun anew"
            )
        return notes


def _add(known: list[str], word: str | None) -> bool:
    if word is None or word in known or len(known) >= _MOST:
        return False
    known.append(word)
    return True


def _texts(value: Any) -> list[str]:
    rows = value if isinstance(value, list) else []
    return [row for row in rows if isinstance(row, str)]
