"""When an evaluation of one variant counts as complete."""

from collections.abc import Mapping
from typing import Any

from rdagent.inside.evaluate.output import check_complete
from rdagent.records.plan import Occurrence, Plan
from rdagent.records.status import InsideStatus

EXPECTED = {"a": ("a",), "tag": ("b", "c"), "group": ("group",)}
#: The tasks of the tag are scored by themselves, those of the group only within it.
LEAVES = ("a", "b", "c", "in_group")


def plan(*documents: int, left_out: tuple[int, ...] = ()) -> Plan:
    """A plan of the same documents for every task; those left out were planned and not asked."""
    places = [
        Occurrence(-1 if number in left_out else 0, task, number, 0)
        for task in LEAVES
        for number in documents
    ]
    return Plan("d", tuple(places), {}, {}, {})


def results(samples: Mapping[str, tuple[int, ...]] | None = None, lack: str = "") -> dict[str, Any]:
    given = dict.fromkeys(LEAVES, (0, 1, 2)) | dict(samples or {})
    names = {*LEAVES, "group"} - {lack}
    return {
        "results": {name: {} for name in names},
        "samples": {task: [{"doc_id": n} for n in rows] for task, rows in given.items()},
    }


def status(found: dict[str, Any], planned: Plan) -> InsideStatus:
    return check_complete(found, EXPECTED, planned)


def test_every_task_with_every_planned_document_is_ok() -> None:
    assert status(results(), plan(0, 1, 2)) == InsideStatus("ok", "3 tasks scored")


def test_a_tag_with_a_task_missing_is_incomplete() -> None:
    found = status(results(lack="c"), plan(0))
    assert (found.reason, found.message) == ("incomplete", "no results for: tag")


def test_a_task_with_a_document_missing_is_incomplete() -> None:
    found = status(results({"b": (0, 2)}), plan(0, 1, 2))
    assert (found.reason, found.message) == ("incomplete", "b: 2 of 3 documents scored")


def test_a_document_that_was_not_planned_makes_up_for_none() -> None:
    assert status(results({"b": (0, 2, 7)}), plan(0, 1, 2)).reason == "incomplete"


def test_a_document_with_a_record_for_each_filter_counts_once() -> None:
    assert status(results({"b": (0, 0, 0)}), plan(0, 1, 2)).reason == "incomplete"


def test_a_task_within_a_group_without_any_record_is_incomplete() -> None:
    found = status(results({"in_group": ()}), plan(0))
    assert (found.reason, found.message) == ("incomplete", "in_group: 0 of 1 documents scored")


def test_documents_that_were_planned_and_not_drawn_are_not_expected() -> None:
    found = results(dict.fromkeys(LEAVES, (1,)))
    assert status(found, plan(0, 1, 2, left_out=(0, 2))).reason == "ok"
