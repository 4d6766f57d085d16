"""How often answers fail in ways that can be counted, whatever the score.

An answer that was cut at its longest length, an empty one, one in which a filter finds
nothing, and one that only a flexible reading counts as right: each has a remedy of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rdagent.records.ledger import Answer, Ledger

if TYPE_CHECKING:
    from rdagent.inside.evaluate.planning import Planned

#: What lm_eval's filters put where they find nothing.
_NOTHING = ("[invalid]", "")


def failure_rates(
    planned: Planned, ledger: Ledger, results: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """Return the counts by task, for tasks whose answers are generated."""
    answers: dict[str, list[Answer]] = {}
    for place in planned.plan.occurrences:
        if place.request < 0:
            continue
        answer = ledger.answers[planned.requests[place.request].name]
        if answer.kind == "generate":
            answers.setdefault(place.task, []).append(answer)
    return {
        task: {**_of_answers(found), **_of_filters(results.get("samples", {}).get(task, ()))}
        for task, found in answers.items()
    }


def _of_answers(answers: Sequence[Answer]) -> dict[str, Any]:
    return {
        "answers": len(answers),
        "cut_at_length": sum(a.outputs[0].finish_reason == "length" for a in answers),
        "empty": sum(not a.outputs[0].text.strip() for a in answers),
        "prompt_cut": sum(a.truncated for a in answers),
    }


def _of_filters(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    by_filter: dict[str, dict[int, Mapping[str, Any]]] = {}
    for row in rows:
        by_filter.setdefault(str(row["filter"]), {})[row["doc_id"]] = row
    nothing = {
        name: sum(_found_nothing(row) for row in found.values())
        for name, found in by_filter.items()
        if name != "none"
    }
    counts: dict[str, Any] = {}
    if nothing:
        documents = max(len(found) for found in by_filter.values())
        counts = {"documents": documents, "nothing_extracted": nothing}
    strict = next((found for name, found in by_filter.items() if "strict" in name), None)
    flexible = next((found for name, found in by_filter.items() if "flexible" in name), None)
    if strict and flexible:
        counts["right_only_when_read_flexibly"] = _only_flexible(strict, flexible)
    return counts


def _found_nothing(row: Mapping[str, Any]) -> bool:
    found = list(_texts(row["filtered_resps"]))
    return bool(found) and all(text in _NOTHING for text in found)


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
    else:
        yield "" if value is None else str(value).strip()


def _only_flexible(
    strict: Mapping[int, Mapping[str, Any]], flexible: Mapping[int, Mapping[str, Any]]
) -> int:
    return sum(
        _is_right(row) and not _is_right(strict[number])
        for number, row in flexible.items()
        if number in strict
    )


def _is_right(row: Mapping[str, Any]) -> bool:
    metrics = row.get("metrics") or ()
    return any(row.get(name) == 1 for name in metrics)
