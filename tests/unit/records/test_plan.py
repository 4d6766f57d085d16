"""A plan in two files: what was planned is what is read."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdagent.errors import ResultError
from rdagent.records.keys import request_key
from rdagent.records.plan import (
    PLAN_FILE,
    Occurrence,
    Plan,
    Request,
    asked_by,
    chunks_of,
    message_digest,
    plan_digest,
    read_requests,
    require_sound,
)

TEXTS = st.text(st.characters(codec=None))
TOLD = st.dictionaries(TEXTS, st.booleans() | st.lists(TEXTS) | st.integers())


@st.composite
def plans(draw):
    prompts = draw(st.lists(TEXTS, min_size=1, max_size=5, unique=True))
    requests = tuple(
        Request(
            "generate",
            request_key("generate", (prompt, {})),
            draw(st.integers(0, 3)),
            (prompt, draw(TOLD)),
            number // 2,
            draw(st.none() | st.integers(0)),
        )
        for number, prompt in enumerate(prompts)
    )
    places = st.builds(
        Occurrence,
        request=st.integers(-1, len(requests) - 1),
        task=st.sampled_from(["a", "b c", "日本"]),
        doc_id=st.integers(0),
        idx=st.integers(0, 9),
    )
    renders = draw(st.dictionaries(TEXTS, st.sampled_from(prompts) | TEXTS))
    plan = Plan(
        digest="d",
        occurrences=tuple(draw(st.lists(places))),
        arguments=draw(TOLD),
        renderer=draw(TOLD),
        renders=renders,
        selected=draw(st.none() | st.dictionaries(TEXTS, st.lists(st.integers()).map(tuple))),
    )
    return plan, requests


@given(plans())
def test_a_plan_is_read_as_it_was_written(tmp_path_factory, written):
    plan, requests = written
    folder = tmp_path_factory.mktemp("plan")
    plan.write(folder, requests)
    assert Plan.read(folder) == plan
    assert tuple(read_requests(folder)) == requests


def a_plan(tmp_path):
    request = Request("rolling", "k", 0, ("text",), 0)
    plan = Plan("d", (Occurrence(0, "t", 0, 0),), {}, {}, {"m": "text"})
    plan.write(tmp_path, [request])
    return json.loads((tmp_path / PLAN_FILE).read_text())


def test_a_prompt_that_a_request_holds_is_not_written_twice(tmp_path):
    assert a_plan(tmp_path)["renders"] == {"m": 0}
    assert Plan.read(tmp_path).renders == {"m": "text"}


@pytest.mark.parametrize(
    "change",
    [
        {"occurrences": [[0, 5, 0, 0]]},
        {"occurrences": [[0, 0]]},
        {"occurrences": 3},
        {"renders": {"m": 9}},
        {"selected": {"t": ["x"]}},
        {"selected": 5},
        {"digest": None},
        {"schema": "rdagent.plan/0"},
    ],
)
def test_a_plan_with_wrong_fields_is_refused(tmp_path, change):
    document = a_plan(tmp_path)
    (tmp_path / PLAN_FILE).write_text(json.dumps({**document, **change}))
    with pytest.raises(ResultError):
        Plan.read(tmp_path)


def test_a_request_of_a_kind_that_is_none_is_refused(tmp_path):
    a_plan(tmp_path)
    path = tmp_path / "requests.jsonl"
    path.write_text(path.read_text().replace("rolling", "guessing"))
    with pytest.raises(ResultError, match="guessing"):
        list(read_requests(tmp_path))


def test_chunks_are_cut_where_they_were_planned():
    requests = [Request("rolling", str(n), 0, ("x",), chunk) for n, chunk in enumerate([0, 0, 1])]
    assert [[one.key for one in chunk] for chunk in chunks_of(requests)] == [["0", "1"], ["2"]]


ROWS = [("generate", "k", 0, "t", 0, 0), ("generate", "k", 1, "t", 1, 0)]


@pytest.mark.parametrize(
    "other",
    [
        (ROWS[::-1], {}, {}),
        (ROWS[:1], {}, {}),
        ([ROWS[0], ("generate", "k", 1, "t", 2, 0)], {}, {}),
        (ROWS, {"limit": 1}, {}),
        (ROWS, {}, {"template": "other"}),
    ],
)
def test_another_order_another_document_or_other_arguments_are_another_plan(other):
    assert plan_digest(*other) != plan_digest(ROWS, {}, {})


def test_messages_are_found_by_all_that_they_say():
    one = [{"role": "user", "content": "\ud83d"}]
    names = {
        message_digest(one, add_generation_prompt=True),
        message_digest(one, add_generation_prompt=False),
        message_digest([{**one[0], "role": "system"}], add_generation_prompt=True),
    }
    assert len(names) == 3


@pytest.mark.parametrize(
    "row", [["z", 0, 0, 0], [-2, 0, 0, 0], [0, -1, 0, 0], [0, 9, 0, 0], [0, 0]]
)
def test_an_occurrence_that_cannot_be_is_refused(tmp_path, row):
    Plan("d", (Occurrence(0, "t", 0, 0),), {}, {}, {}).write(
        tmp_path, [Request("generate", "k", 0, ("p", {}), 0)]
    )
    document = json.loads((tmp_path / PLAN_FILE).read_text())
    (tmp_path / PLAN_FILE).write_text(json.dumps({**document, "occurrences": [row]}))
    with pytest.raises(ResultError):
        Plan.read(tmp_path)


def test_an_occurrence_of_a_request_that_is_not_there_is_refused():
    plan = Plan("d", (Occurrence(1, "t", 0, 0),), {}, {}, {})
    with pytest.raises(ResultError):
        list(asked_by(plan, [Request("generate", "k", 0, ("p", {}), 0)]))


def test_a_request_under_another_requests_key_is_refused():
    own = request_key("generate", ("p", {}))
    assert require_sound(Request("generate", own, 0, ("p", {}), 0)).key == own
    with pytest.raises(ResultError):
        require_sound(Request("generate", own, 0, ("another prompt", {}), 0))
