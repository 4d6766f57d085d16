"""The same document meets the same document, whatever its number; nothing else meets."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdagent.comparison.items import read_items
from rdagent.comparison.pairing import pair
from rdagent.comparison.sides import Item, TaskItems
from tests.unit.comparison.builders import TaskSpec, doc_sha, rows_of, write_rows

DOCS = [{"question": f"What is {n}?", "answer": str(n)} for n in range(6)]
TASK = TaskSpec([1, 0, 1, 0, 1, 0], docs=DOCS)


@pytest.fixture
def items(tmp_path):
    """Write a task's samples and read its items; ``change`` takes each row."""

    def read(task=TASK, change=None):
        path = tmp_path / f"samples_{len(list(tmp_path.iterdir()))}.jsonl"
        rows = rows_of("t", task)
        write_rows(path, [change(row) for row in rows] if change else rows)
        return read_items("t", path).items[task.filter]

    return read


def without(*names):
    return lambda row: {key: value for key, value in row.items() if key not in names}


def numbers(pairing):
    return [(one.base.doc_id, one.candidate.doc_id) for one in pairing.pairs]


def said(pairing):
    return [(one.level, one.field) for one in pairing.findings]


def test_items_of_the_same_documents_meet(items):
    found = pair(items(), items(TASK.with_values([0] * 6)))
    assert numbers(found) == [(n, n) for n in range(6)]
    assert (found.only_base, found.only_candidate, found.findings) == ((), (), ())


def test_items_that_one_side_alone_has_are_kept_apart(items):
    found = pair(
        items(replace(TASK, values=[1] * 4, docs=DOCS[:4], ids=[0, 1, 2, 3])),
        items(replace(TASK, values=[1] * 4, docs=DOCS[2:], ids=[2, 3, 4, 5])),
    )
    assert numbers(found) == [(2, 2), (3, 3)]
    assert [item.doc_id for item in found.only_base] == [0, 1]
    assert [item.doc_id for item in found.only_candidate] == [4, 5]
    assert said(found) == [("WARN", "doc_id")]


def test_a_document_under_another_number_meets_itself(items):
    targets = [str(n) for n in range(6)]
    base = replace(TASK, targets=targets)
    found = pair(items(base), items(replace(base, ids=[5, 4, 3, 2, 1, 0])))
    assert numbers(found) == [(n, 5 - n) for n in range(6)]
    assert said(found) == [("INFO", "doc_id")]
    assert found.findings[0].says.startswith("all documents")


def test_another_document_of_the_same_number_never_meets(items):
    docs = [*DOCS[:2], {"question": "Something else?"}, *DOCS[3:]]
    found = pair(items(), items(replace(TASK, docs=docs)))
    assert numbers(found) == [(n, n) for n in (0, 1, 3, 4, 5)]
    (finding,) = found.findings
    assert (finding.level, finding.field) == ("FATAL", "doc_hash")
    assert (finding.base, finding.candidate) == (doc_sha(DOCS[2])[:16], doc_sha(docs[2])[:16])
    assert finding.says == "1 items have the same number and another document: 2"


def test_no_document_in_common_is_fatal(items):
    docs = [{"q": n} for n in range(6)]
    found = pair(items(), items(replace(TASK, docs=docs, ids=range(6, 12))))
    assert said(found) == [("FATAL", "doc_hash")]
    assert found.pairs == ()


def test_an_empty_side_is_no_contradiction(items):
    whole = items()
    found = pair(whole, replace(whole, items=()))
    assert (found.pairs, len(found.only_base)) == ((), 6)
    assert said(found) == [("WARN", "doc_id")]
    assert said(pair(replace(whole, items=()), replace(whole, items=()))) == []


def test_copies_of_a_document_meet_in_order(items):
    docs = [DOCS[0]] * 6
    found = pair(items(replace(TASK, docs=docs)), items(replace(TASK, docs=docs)))
    assert numbers(found) == [(n, n) for n in range(6)]


def test_copies_meet_by_number_before_order(items):
    base = replace(TASK, values=[1] * 3, docs=[DOCS[0]] * 3, ids=[1, 4, 7])
    other = replace(TASK, values=[1] * 2, docs=[DOCS[0]] * 2, ids=[4, 9])
    found = pair(items(base), items(other))
    assert numbers(found) == [(1, 9), (4, 4)]
    assert [item.doc_id for item in found.only_base] == [7]


def test_targets_that_differ_are_fatal(items):
    found = pair(
        items(), items(replace(TASK, targets=["x", *(f"target {n}" for n in range(1, 6))]))
    )
    assert said(found) == [("FATAL", "target_hash")]
    assert "1 of 6 items have another target: 0" in found.findings[0].says
    assert len(found.pairs) == 6


def test_prompts_that_differ_are_a_warning(items):
    found = pair(items(), items(replace(TASK, prompts=[f"{n}" for n in range(6)])))
    assert said(found) == [("WARN", "prompt_hash")]
    assert found.findings[0].says.startswith("all prompts differ")


def test_another_number_of_draws_is_a_warning(items):
    drawn = replace(TASK, answers=[["a", "b"]] * 6)
    assert said(pair(items(), items(drawn))) == [("WARN", "repeats")]


# --- hashes that are not there


def test_without_any_document_items_meet_by_number(items):
    bare = without("doc_hash", "doc")
    found = pair(items(change=bare), items(change=bare))
    assert numbers(found) == [(n, n) for n in range(6)]
    assert said(found) == [("INFO", "doc_hash")]


def test_a_hash_on_one_side_alone_checks_nothing_and_items_meet_by_number(items):
    found = pair(items(), items(change=without("doc_hash", "doc")))
    assert numbers(found) == [(n, n) for n in range(6)]
    assert said(found) == [("INFO", "doc_hash")]


def test_documents_without_hashes_are_held_against_each_other(items):
    found = pair(items(), items(change=without("doc_hash")))
    assert numbers(found) == [(n, n) for n in range(6)]
    assert found.findings == ()


def test_other_documents_without_hashes_are_found(items):
    docs = [{"question": "Something else?"}, *DOCS[1:]]
    other = items(replace(TASK, docs=docs), change=without("doc_hash"))
    assert said(pair(items(), other)) == [("FATAL", "doc_hash")]
    assert said(pair(other, items())) == [("FATAL", "doc_hash")]


def test_hashes_without_documents_and_documents_without_hashes_meet_by_number(items):
    found = pair(items(change=without("doc")), items(change=without("doc_hash")))
    assert numbers(found) == [(n, n) for n in range(6)]
    assert said(found) == [("INFO", "doc_hash")]


def test_targets_are_checked_where_documents_cannot_be(items):
    bare = without("doc_hash", "doc")
    other = items(replace(TASK, targets=["x"] * 6), change=bare)
    assert ("FATAL", "target_hash") in said(pair(items(change=bare), other))


def test_fields_in_another_order_are_the_same_document(items):
    docs = [dict(reversed(doc.items())) for doc in DOCS]
    found = pair(items(), items(replace(TASK, docs=docs)))
    assert numbers(found) == [(n, n) for n in range(6)]
    assert said(found) == [("INFO", "doc_hash")]


def test_a_hash_that_is_not_its_documents_proves_no_other_order(items):
    found = pair(items(), items(change=lambda row: {**row, "doc_hash": f"{row['doc_id']:064x}"}))
    assert said(found) == [("FATAL", "doc_hash")]


def test_a_file_that_is_gone_ends_in_no_error(items):
    one, other = items(), items(change=without("doc_hash"))
    one.path.unlink()
    assert numbers(pair(one, other)) == [(n, n) for n in range(6)]


# --- whatever the hashes


def task_items(path, hashes):
    return TaskItems(
        "t",
        "none",
        ("acc",),
        tuple(Item(n, text, None, None, (1.0,), 1, 0) for n, text in enumerate(hashes)),
        path,
    )


HASHES = st.lists(st.sampled_from([None, "a", "b", "c", "d"]), max_size=8)


@given(HASHES, HASHES)
def test_every_item_meets_at_most_once_and_never_another_document(tmp_path_factory, one, other):
    path = tmp_path_factory.mktemp("p") / "none"
    found = pair(task_items(path, one), task_items(path, other))
    for side, count in (("base", len(one)), ("candidate", len(other))):
        met = [getattr(one, side).doc_id for one in found.pairs]
        left = [item.doc_id for item in getattr(found, f"only_{side}")]
        assert sorted(met + left) == list(range(count))
    for both in found.pairs:
        hashes = {both.base.doc_hash, both.candidate.doc_hash} - {None}
        assert len(hashes) <= 1


@given(HASHES, HASHES)
def test_which_side_is_the_base_changes_nothing(tmp_path_factory, one, other):
    path = tmp_path_factory.mktemp("p") / "none"
    forth = pair(task_items(path, one), task_items(path, other))
    back = pair(task_items(path, other), task_items(path, one))
    assert len(forth.pairs) == len(back.pairs)
    assert sorted(f.level for f in forth.findings) == sorted(f.level for f in back.findings)


def test_a_row_of_the_builder_is_plain_json():
    assert json.loads(json.dumps(rows_of("t", TASK)[0]))["doc_hash"] == doc_sha(DOCS[0])
