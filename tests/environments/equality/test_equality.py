"""Plan, answer and score give what lm_eval gives when it asks a model itself, byte for byte.

Left out of the comparison, and nowhere else: when it ran and for how long (``date``,
``total_evaluation_time_seconds``), on which machine and from which folder
(``pretty_env_info``, ``git_hash``, ``upper_git_hash``), and how the model was handed over
(``model``, ``model_args``, ``batch_size``, ``batch_sizes``, ``device`` of ``config``: an
object there, a name here).  What lm_eval's writer adds to a file, and we with it, is not
in what it returns: the ``OURS_ALONE`` of ``sides``.  Both sides draw 100 times instead of
100,000 for the error of a perplexity, an f1 or an mcc.
"""

import pytest

pytestmark = [pytest.mark.environments, pytest.mark.timeout(1500)]

SHAPES = {
    "generated texts": "eq_generate",
    "several filters": "eq_filters",
    "a vote of repeats": "eq_votes",
    "an answer that is begun": "eq_prefix",
    "a text that is greedy without saying so": "eq_plain_greedy",
    "five examples drawn": "eq_shots",
    "the first examples": "eq_first_n",
    "examples from the test documents": "eq_own_shots",
    "choices of several tokens and unconditional ones": "eq_choice",
    "choices of one token": "eq_letters",
    "contexts as choices": "eq_inputs",
    "the likelihood of an answer": "eq_likelihood",
    "the likelihood of texts in several windows": "eq_rolling",
    "prompts that are drawn": "eq_random_text",
    "scores that are drawn, pairs, no number, and a sum of its own": "eq_custom",
    "documents that are shuffled": "eq_shuffled",
    "a part of a group": "eq_part_one",
    "another part of a group": "eq_part_two",
    "a group": "eq_group",
}


def test_every_check_came_to_its_end(inside):
    assert {name: facts["crashed"] for name, facts in inside.items() if "crashed" in facts} == {}


@pytest.mark.parametrize("told", ["as it is", "chat and system"])
@pytest.mark.parametrize("task", SHAPES.values(), ids=SHAPES)
def test_a_task_of_every_shape_has_lm_evals_numbers_and_records(inside, told, task):
    """Among its documents: two that are equal, one that is longer than the context, and one
    with letters of many bytes, NUL, U+2028, U+0085 and the tokenizer's own special tokens."""
    found = inside["compare"][told]
    assert [said for said in found["differences"] if task in said] == []
    if task != "eq_group":
        assert found["records"][task] >= 5


@pytest.mark.parametrize(
    "told",
    ["as it is", "chat and system", "chat", "system", "seven", "a third", "other shots"],
)
def test_everything_that_is_written_is_the_same_whatever_is_told(inside, told):
    found = inside["compare"][told]
    assert (found["reason"], found["differences"]) == ("ok", [])
    assert len(found["answers"]) > 10, "a comparison of nothing"


@pytest.mark.parametrize(("told", "records"), [("seven", 7), ("a third", 4)])
def test_a_limit_leaves_as_many_documents_as_it_does_in_lm_eval(inside, told, records):
    assert inside["compare"][told]["records"]["eq_part_one"] == records


@pytest.mark.parametrize("adapter", ["base", "first", "second"])
def test_an_adapter_on_a_shared_base_answers_as_one_that_peft_loads(inside, adapter):
    found = inside["compare"][f"adapter {adapter}"]
    assert (found["reason"], found["differences"]) == ("ok", [])


def test_the_adapters_that_are_compared_answer_otherwise_than_their_base(inside):
    answers = [inside["compare"][f"adapter {name}"]["answers"] for name in ("base", "first")]
    assert answers[0] != answers[1]


def test_one_at_a_time_on_engine_hf_is_exact(inside):
    assert {found["level"] for found in inside["compare"].values()} == {"exact"}


def test_a_base_and_its_adapters_answer_alike_whoever_was_asked_before(inside):
    found = inside["switching"]
    assert found["kinds"] == ["generate", "loglikelihood", "rolling"]
    assert found["unchanged by an adapter"] == 0
    assert found["wrong"] == []


@pytest.mark.parametrize(
    "sort",
    [
        "plain",
        "gaussian",
        "scaled by rank",
        "pissa",
        "olora",
        "brings embeddings",
        "on embeddings",
        "saved modules",
        "dora",
    ],
)
def test_whatever_shares_an_engine_with_its_base_leaves_nothing_on_it(inside, sort):
    found = inside["leaks"][sort]
    assert found["effect"] > 0
    assert found["left"] == 0 or not found["shares"]


def test_sorts_of_adapters_that_change_their_base_for_good_are_among_those_that_are_tried(inside):
    assert {sort for sort, found in inside["leaks"].items() if found["left"] > 0.1} >= {
        "pissa",
        "olora",
        "brings embeddings",
    }
    assert {sort for sort, found in inside["leaks"].items() if found["shares"]} >= {
        "plain",
        "gaussian",
        "scaled by rank",
    }


def test_choices_that_a_task_shuffles_are_scored_in_the_order_in_which_they_were_asked(inside):
    """lm_eval itself mixes them up for data in memory: there is no cache to bring them back."""
    assert inside["shuffled"]["matching"] == inside["shuffled"]["documents"] == 11
    assert inside["shuffled"]["in their first order"] < 11


def test_a_cache_on_the_disk_that_is_warm_by_now_changes_nothing_that_is_drawn(inside):
    assert inside["shuffled"]["warm"] == []


def test_shares_of_several_processes_become_what_one_process_gives(inside):
    """Each process plans for itself: what tasks draw must come out the same in all of them."""
    found = inside["sharded"]
    assert found["reasons"] == ["ok"] * 5
    assert (found["differences"], found["same answers"]) == ([], True)
    assert found["levels"][0] == found["levels"][1] == "seeded"


# Documents that are drawn.


def test_the_documents_that_are_scored_are_those_that_were_drawn(inside):
    found = inside["random"]
    assert found["reasons"] == ["ok"] * 4
    assert found["samples of"] == found["planned"]
    assert {len(ids) for ids in found["planned"].values()} == {4}


def test_only_the_documents_that_were_drawn_are_asked(inside):
    found = inside["random"]
    asked = {(found["tasks"][task], number) for task, number in found["asked"]}
    assert asked == {(task, n) for task, ids in found["planned"].items() for n in ids}
    assert found["answers"] < found["answers of all"]


def test_a_drawn_document_has_the_record_that_it_has_when_all_are_scored(inside):
    assert inside["random"]["not as in all"] == []


def test_the_counts_of_documents_say_how_many_were_drawn(inside):
    found = inside["random"]
    assert {each["effective"] for each in found["n-samples"].values()} == {4}
    originals = {task: each["original"] for task, each in found["n-samples of all"].items()}
    assert {task: each["original"] for task, each in found["n-samples"].items()} == originals
    assert (found["group of some"], found["group of"]) == (8, 21)


def test_the_same_seed_draws_the_same_documents_and_another_one_others(inside):
    found = inside["random"]
    assert found["again"] == []
    assert found["other seed"] != found["planned"]


def test_each_task_draws_for_itself(inside):
    drawn = inside["random"]["planned"]
    assert len({tuple(drawn[task]) for task in ("eq_own_shots", "eq_filters", "eq_votes")}) == 3


# Answers that are drawn.


def test_a_drawn_answer_does_not_depend_on_what_was_asked_before_it(inside):
    assert inside["order"]["another order"] is True


def test_drawn_answers_are_the_same_when_a_run_goes_on(inside):
    found = inside["order"]
    assert 0 < found["resumed"] < 22
    assert found["resumed differences"] == []


def test_each_draw_of_a_question_is_one_of_its_own(inside):
    found = inside["order"]
    assert found["draws that differ"] >= 8
    one, other = found["same question"]
    assert one != other, "two documents with one question are four draws of it"


def test_another_seed_draws_other_answers_and_the_level_says_that_they_are_drawn(inside):
    assert inside["order"]["other seed"] is False
    assert (inside["order"]["reason"], inside["order"]["level"]) == ("ok", "seeded")


def test_several_at_once_are_said_to_be_less_than_exact_and_give_the_same_texts(inside):
    assert inside["batches"]["levels"] == ["exact", "engine-deterministic"]
    one, four = inside["batches"]["texts"]
    assert one == four


def test_the_largest_batch_is_looked_for_once_for_each_length(inside):
    looked, found = inside["batches"]["detections"]
    assert looked == [8, 64, 256], "lengths are rounded up, the context is the longest"
    assert found == [125, 15, 15, 15, 3, 3, 3, 3]
    first, second = inside["batches"]["calls of the model"]
    assert first - second >= 5, "lm_eval tries each length five times"


def test_the_choices_of_a_question_are_in_one_chunk_which_does_not_grow_without_end(inside):
    chunks = inside["batches"]["chunks"]
    assert [len(chunk) for chunk in chunks] == [6, 6, 3]
    assert len([text for chunk in chunks for text in set(chunk)]) == 5
    assert {len(chunk) for chunk in inside["batches"]["chunks of one context"][:-1]} == {16}


# What is refused.


@pytest.mark.parametrize("damage", ["deleted", "changed", "contradicted"])
def test_answers_that_are_not_as_they_were_given_are_refused_by_their_key(inside, damage):
    found = inside["ledgers"][damage]
    assert (found["reason"], found["has results"]) == ("incomplete", False)
    assert inside["ledgers"]["key"][:12] in found["message"]


@pytest.mark.parametrize("whole", ["whole", "twice"])
def test_answers_that_are_whole_are_scored_even_if_one_stands_there_twice(inside, whole):
    assert inside["ledgers"][whole]["reason"] == "ok"
    assert inside["ledgers"][whole]["has results"]


@pytest.mark.parametrize(
    ("task", "reason", "told"),
    [
        ("turning", "command_failed", "its digest is another one"),
        ("numbered", "incomplete", "11 answers are missing"),
        ("numbered chat", "command_failed", "a prompt that was not planned"),
    ],
)
def test_a_task_that_asks_otherwise_when_it_is_scored_gets_no_number(inside, task, reason, told):
    found = inside["tasks"][task]
    assert (found["reason"], found["has results"]) == (reason, False)
    assert told in found["message"]


def test_half_a_letter_is_refused_as_lm_eval_refuses_it(inside):
    found = inside["tasks"]["half a letter"]
    assert (found["reason"], found["has results"]) == ("command_failed", False)


def test_a_request_that_an_engine_cannot_answer_is_found_among_the_others(inside):
    found = inside["tasks"]["empty"]
    assert (found["reason"], found["has results"]) == ("command_failed", False)
    assert found["message"].startswith("1 requests could not be answered: RuntimeError")
    assert (len(found["errors"]), found["answered"]) == (1, 9)


def test_an_adapter_that_fits_nothing_is_refused_and_the_others_are_scored(inside):
    found = inside["strangers"]
    assert found["reason"] == "adapter_invalid"
    assert "does not fit the base model" in found["message"]
    assert found["scored"] == ["base", "first"]


def test_a_template_that_tells_the_time_is_rendered_once_and_scored_as_it_was(inside):
    found = inside["templates"]["clock"]
    assert (found["reason"], found["has results"]) == ("ok", True)
    assert len({prompt.split()[0] for prompt in found["prompts"]}) == 3, "the clock goes on"


def test_a_system_message_that_a_template_refuses_is_left_out_and_said_to_be(inside):
    found = inside["templates"]["no system"]
    assert found["reason"] == "ok"
    assert all("You run a home." not in prompt for prompt in found["prompts"])
    assert any("refuses a system message" in note for note in found["notes"])


# Kills.


@pytest.mark.parametrize(("engine", "kills"), [("scripted", 30), ("hf", 5)])
def test_kills_at_random_moments_change_nothing_of_what_is_written_in_the_end(
    request, engine, kills
):
    """Times, and how many answers an earlier attempt had given, are left out."""
    found = request.getfixturevalue(engine)
    assert found["differences"] == []
    assert found["kills"] >= kills
    assert found["completions"] >= 1
    assert found["resumed"] > 0, "no run went on from what another one had answered"


# vLLM.

#: How far a log-likelihood of a long text or of an answer may move with what is asked beside it.
LAST_DIGITS = {"generate": 0.0, "drawn": 0.0, "loglikelihood": 1e-5, "rolling": 1e-3}


@pytest.mark.parametrize("variant", ["base", "first", "second"])
@pytest.mark.parametrize("kind", ["generate", "loglikelihood", "rolling", "drawn"])
def test_vllm_answers_alike_in_any_order_whoever_was_asked_before(vllm, variant, kind):
    """``drawn`` ones have seeds of their own; greedy ones say no temperature and stay greedy."""
    assert vllm["said"].startswith("ok")
    apart = vllm["apart"][variant][kind]
    assert len(apart) >= 5
    assert max(apart) <= LAST_DIGITS[kind]


def test_vllm_draws_another_answer_each_time(vllm):
    assert sum(one != other for one, other in vllm["drawn"]) >= 5


@pytest.mark.parametrize("variant", ["base", "first", "second"])
def test_both_engines_give_the_same_greedy_texts_and_say_alike_how_they_ended(vllm, variant):
    """In float32 and of this model; how far a log-likelihood is off is another matter."""
    on_hf, on_vllm = vllm["on hf"][variant], vllm["how"][variant]
    assert len(on_hf) >= 15
    assert {reason for _, reason, _, _ in on_hf.values()} == {"stop", "length"}
    assert {key: on_vllm[key] for key in on_hf} == on_hf


def test_vllms_variants_answer_otherwise_than_each_other(vllm):
    texts = [sorted(map(str, vllm["how"][name].values())) for name in ("base", "first", "second")]
    assert len(set(map(str, texts))) == 3


def test_vllms_results_are_never_said_to_be_exact(vllm):
    assert vllm["level"] == "seeded"
    assert vllm["greedy level"] == "engine-deterministic"


def test_an_engine_that_failed_in_the_middle_of_its_work_is_not_asked_again(vllm):
    assert vllm["broken"] == ["EngineBroken"] * 3
