"""Which documents of the loaded tasks a subset means."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from rdagent.errors import RefusedError
from rdagent.inside.evaluate.subset import doc_hash, doc_ids
from rdagent.records.subset import make_subset

#: As lm_eval 0.4.13 wrote it for this document.
KNOWN = {"q": "a?", "a": 0}
KNOWN_HASH = "07dafbf57ee7cbb7e3594d77116c98f3c8b27cfc5251a096be014710cc88fa79"
DOCS = [{"q": "一"}, {"q": "b"}, {"q": "一"}, {"q": "d"}]


@dataclass
class Request:
    doc_id: int
    doc: dict[str, Any]


@dataclass
class Task:
    task_name: str = "t"
    eval_docs: list[Any] = field(default_factory=lambda: list(DOCS))
    _instances: list[Any] | None = None


def subset(*documents, task="t"):
    return make_subset("wrong ones", {task: [doc_hash(each) for each in documents]})


def test_a_document_is_known_by_the_hash_that_lm_eval_writes():
    assert doc_hash(KNOWN) == KNOWN_HASH


def test_documents_are_found_in_the_tasks_order():
    assert doc_ids([Task()], subset(DOCS[3], DOCS[1])) == {"t": (1, 3)}


def test_equal_documents_are_meant_together():
    assert doc_ids([Task()], subset(DOCS[0], DOCS[3])) == {"t": (0, 2, 3)}


def test_the_documents_of_built_requests_go_before_new_ones():
    turned = [Request(number, each) for number, each in enumerate(reversed(DOCS))]
    assert doc_ids([Task(_instances=turned * 2)], subset(DOCS[3])) == {"t": (0,)}


def test_documents_that_are_not_there_are_refused_by_number_and_example():
    asked = subset(DOCS[0], {"q": "other"}, {"q": "another"})
    missing = min(doc_hash({"q": "other"}), doc_hash({"q": "another"}))
    with pytest.raises(RefusedError) as caught:
        doc_ids([Task()], asked)
    told = caught.value.message
    assert "Task 't': 2 of the 3 documents of the subset wrong ones" in told
    assert f"not among its 4, {missing[:12]} for one" in told


def test_a_task_without_an_entry_is_refused():
    with pytest.raises(RefusedError, match="has no documents of other") as caught:
        doc_ids([Task(), Task("other")], subset(DOCS[0]))
    assert "--tasks t" in caught.value.hint


def test_tasks_of_the_subset_that_are_not_asked_for_are_passed_over():
    both = make_subset("s", {"t": [doc_hash(DOCS[1])], "u": [doc_hash(DOCS[1])]})
    assert doc_ids([Task()], both) == {"t": (1,)}
