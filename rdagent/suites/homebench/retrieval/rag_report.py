"""What a retriever is worth, beside what matching names alone is, before any model runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rdagent.suites.homebench.asking import Asked, Asking
from rdagent.suites.homebench.retrieval.building import Retrieval
from rdagent.suites.homebench.retrieval.embedders import Embedder
from rdagent.suites.homebench.retrieval.measures import Measures, choose, measure
from rdagent.suites.homebench.retrieval.retrievers import make_retriever
from rdagent.suites.homebench.scoring.categories import ALL

SCHEMA = "rdagent.homebench.rag/1"
COLUMNS = ("rooms of", "n", "recall", "all needed", "named", "context", "noise", "rooms")
LEXICAL = "lexical"
MEANING = (
    "recall: of the rooms that the gold acts in, those that are shown; all needed: requests of"
    " which all are; named: of the rooms that a request names, those that are shown; context: of"
    " the home's description, what is shown; noise: of what is shown, what is not needed"
)


@dataclass(frozen=True, slots=True)
class RagReport:
    """A retriever's measures by category, and matching names' beside them."""

    asking: Asking
    embedder: Embedder | None
    retrieval: Retrieval
    measures: Mapping[str, Measures]
    lexical: Mapping[str, Measures]

    @property
    def alarms(self) -> tuple[str, ...]:
        """What makes a retriever doubtful."""
        mine, names = self.measures[ALL], self.lexical[ALL]
        if mine.recall is None or names.recall is None or mine.recall >= names.recall:
            return ()
        return (
            f"{self.asking.retriever} finds {percent(mine.recall)} of the needed rooms at"
            f" {percent(mine.context_share)} of the context; matching names (lexical) finds"
            f" {percent(names.recall)} at {percent(names.context_share)}",
        )

    def rows(self) -> list[Sequence[str]]:
        """Return the table's rows: this retriever's, then that of matching names."""
        rows: list[Sequence[str]] = [cells(name, found) for name, found in self.measures.items()]
        if self.asking.retriever != LEXICAL:
            rows.append(cells(f"{ALL} by {LEXICAL}", self.lexical[ALL]))
        return rows

    def to_json(self) -> dict[str, Any]:
        """Return the JSON document."""
        path = self.retrieval.path
        return {
            "schema": SCHEMA,
            "retriever": self.asking.retriever,
            "model": self.embedder.identity() if self.embedder else None,
            "top_k": self.asking.top_k,
            "data": str(self.asking.data),
            "split": self.asking.split,
            "style": self.asking.style,
            "file": str(path) if path else None,
            "reused": self.retrieval.reused,
            "records": {name: found.to_json() for name, found in self.measures.items()},
            "lexical": {name: found.to_json() for name, found in self.lexical.items()},
            "alarms": list(self.alarms),
            "notes": list(self.retrieval.notes),
        }


def make_rag_report(
    asked: Asked, asking: Asking, embedder: Embedder | None, retrieval: Retrieval
) -> RagReport:
    """Measure what was chosen, and what matching names would have chosen with as many rooms."""
    measures = measure(retrieval.choices)
    lexical = measures
    if asking.retriever != LEXICAL:
        by_name = make_retriever(LEXICAL)
        lexical = measure(choose(asked.records, asked.homes, by_name, asking.top_k, asking.style))
    return RagReport(asking, embedder, retrieval, measures, lexical)


def cells(name: str, found: Measures) -> tuple[str, ...]:
    """Return one row; shares in percent."""
    of_rooms = (found.recall, found.full_recall, found.named_recall)
    of_context = (found.context_share, found.noise)
    rooms = "n/a" if found.rooms is None else f"{found.rooms:.2f}"
    return (name, str(found.n), *map(percent, of_rooms), *map(percent, of_context), rooms)


def percent(share: float | None) -> str:
    """Return a share as it is printed."""
    return "n/a" if share is None else f"{100 * share:.2f} %"
