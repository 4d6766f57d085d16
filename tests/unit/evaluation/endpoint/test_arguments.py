"""What lm_eval asks becomes what the protocol calls it, or is refused by its name."""

import pytest

from rdagent.errors import RefusedError
from rdagent.evaluation.endpoint.arguments import Dialect, check_plan, question_of
from rdagent.records.plan import Request
from tests.unit.evaluation.endpoint.conftest import request_of, write_plan


def body(told, dialect=None, **change):
    question = question_of(request_of("q", told, **change), 1234)
    return question.body("m", dialect or Dialect())


def test_a_greedy_request_says_so_whatever_the_servers_default_is():
    assert body({}) == {
        "model": "m",
        "messages": [{"role": "user", "content": "q"}],
        "max_tokens": 256,
        "temperature": 0.0,
    }


@pytest.mark.parametrize(
    ("told", "temperature"),
    [
        ({"temperature": 0.0}, 0.0),
        ({"do_sample": False, "temperature": 0.9}, 0.0),
        ({"temperature": 0.9}, 0.9),
        ({"do_sample": True}, 1.0),
        ({"do_sample": True, "temperature": None}, 1.0),
        ({"do_sample": True, "temperature": 0.4}, 0.4),
    ],
)
def test_what_is_sampled_and_how_warm_is_as_on_every_other_engine(told, temperature):
    asked = body(told)
    assert asked["temperature"] == temperature
    assert ("seed" in asked) == (temperature > 0)


@pytest.mark.parametrize(
    ("told", "longest"),
    [
        ({"max_gen_toks": 5, "max_tokens": 7}, 5),
        ({"max_new_tokens": 6}, 6),
        ({"max_tokens": 7}, 7),
        ({"max_completion_tokens": 8}, 8),
        ({"max_gen_toks": None, "max_tokens": 9}, 9),
    ],
)
def test_every_name_of_the_longest_answer_is_known_in_lm_evals_order(told, longest):
    assert body(told)["max_tokens"] == longest
    dialect = Dialect(longest="max_completion_tokens")
    assert body(told, dialect)["max_completion_tokens"] == longest


def test_at_most_four_stop_strings_are_sent_and_the_text_is_cut_at_all_of_them():
    question = question_of(request_of("q", {"until": ["a", "", "b", "c", "d", "e"]}), 1)
    assert question.body("m", Dialect())["stop"] == ["a", "b", "c", "d"]
    assert question.cut("xye and more") == "xy"
    assert question.cut("nothing to find") == "nothing to fin"
    assert "stop" not in question.body("m", Dialect(stops=False))


@pytest.mark.parametrize(("until", "sent"), [("\n", ["\n"]), ([], None), (None, None), ("", None)])
def test_one_stop_string_may_stand_alone_and_none_is_none(until, sent):
    assert body({"until": until}).get("stop") == sent


def test_an_answer_that_is_begun_is_to_be_gone_on_with():
    asked = body({}, answer=False)
    assert asked["continue_final_message"] is True
    assert asked["add_generation_prompt"] is False
    assert "continue_final_message" not in body({})


@pytest.mark.parametrize(
    ("told", "named"),
    [
        ({"top_k": 5}, "top_k=5"),
        ({"num_beams": 10}, "num_beams=10"),
        ({"repetition_penalty": 1.1}, "repetition_penalty"),
        ({"temperature": "warm"}, "temperature"),
        ({"max_gen_toks": True}, "max_gen_toks"),
        ({"max_gen_toks": 0}, "0 tokens"),
        ({"until": [1]}, "until"),
        ({"top_p": "most"}, "top_p"),
    ],
)
def test_an_argument_that_the_protocol_does_not_have_is_refused_by_its_name(told, named):
    with pytest.raises(RefusedError, match=named):
        question_of(request_of("q", told), 1)


def test_one_beam_is_what_everybody_has():
    assert "num_beams" not in body({"num_beams": 1})


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        ("generate", ("a text of its own", {})),
        ("generate", ('{"messages": [], "answer": true}', {})),
        ("loglikelihood", ("a", "b")),
    ],
)
def test_a_prompt_that_is_no_list_of_messages_cannot_be_asked(kind, arguments):
    with pytest.raises(RefusedError, match="no list of messages"):
        question_of(Request(kind, "k", 0, arguments, 0), 1)


def test_a_plan_that_cannot_be_asked_is_refused_before_anything_is_with_its_tasks_name(tmp_path):
    write_plan(tmp_path, [request_of("a"), request_of("b", {"top_k": 5})])
    with pytest.raises(RefusedError, match=r"Task 't': .*top_k=5"):
        check_plan(tmp_path, 1)


@pytest.mark.parametrize("answer", [True, False])
def test_a_plan_tells_whether_it_begins_answers(tmp_path, answer):
    write_plan(tmp_path, [request_of("a"), request_of("b", answer=answer)])
    assert check_plan(tmp_path, 1) is not answer


@pytest.mark.parametrize("dialect", [Dialect(), Dialect("max_completion_tokens", False, False)])
def test_a_dialect_is_the_same_after_it_was_written_down(dialect):
    assert Dialect.from_json(dialect.to_json()) == dialect


@pytest.mark.parametrize("said", [None, [], {"longest": 5, "stops": "no"}])
def test_a_dialect_that_cannot_be_read_is_the_usual_one(said):
    assert Dialect.from_json(said) == Dialect()


@pytest.mark.parametrize(
    "said", ["please stop: not supported", "seeded models are unsupported", "too many stops"]
)
def test_a_word_in_a_complaint_is_no_argument_that_it_is_about(said):
    assert Dialect().after(said, None) is None
