"""What an evaluation would take, and what it could tell."""

import json

from rdagent.evaluation.forecast import Rates, forecast, measured_rates
from rdagent.records.ledger import Answer, Output, dump
from rdagent.records.plan import Occurrence, Plan, Request
from rdagent.statistics import detectable


def plan(folder, *, selected=None):
    requests = [
        Request("generate", "k0", 0, ("prompt", {"max_gen_toks": 10}), 0, 5),
        Request("generate", "k1", 0, ("other", {}), 0, 7),
        Request("loglikelihood", "k2", 0, ("question", " a"), 1, 3),
        Request("loglikelihood", "k3", 0, ("question", " b"), 1, 4),
    ]
    places = [
        Occurrence(0, "g", 0, 0),
        Occurrence(0, "g", 1, 0),
        Occurrence(1, "g", 2, 0),
        Occurrence(-1, "g", 3, 0),
        Occurrence(2, "c", 0, 0),
        Occurrence(3, "c", 0, 1),
    ]
    Plan("d", tuple(places), {}, {}, {}, selected).write(folder, requests)
    return folder


def test_documents_requests_and_tokens_are_counted_by_task(tmp_path):
    found = forecast(plan(tmp_path), 2, None)
    generate, choice = found.tasks["g"], found.tasks["c"]
    assert (generate.documents, generate.requests, generate.prompt_tokens) == (3, 3, 17)
    assert generate.most_new_tokens == 10 + 10 + 256
    assert (choice.documents, choice.requests, choice.most_new_tokens) == (1, 2, 0)
    assert (found.unique_requests, dict(found.kinds)) == (4, {"generate": 2, "loglikelihood": 2})


def test_time_is_not_guessed_where_nothing_was_measured(tmp_path):
    folder = plan(tmp_path)
    assert forecast(folder, 2, None).seconds is None
    assert forecast(folder, 2, Rates("r", 20.0, {"generate": 1.0})).seconds is None


def test_time_is_one_start_and_every_variants_answers(tmp_path):
    rates = Rates("r", 20.0, {"generate": 1.0, "loglikelihood": 0.5})
    assert forecast(plan(tmp_path), 3, rates).seconds == 20.0 + 3 * (2 * 1.0 + 2 * 0.5)


def test_what_a_task_can_tell_apart_goes_by_its_documents_not_by_its_requests(tmp_path):
    asked = [Request("loglikelihood", f"k{i}", 0, ("question", " a"), i, 3) for i in range(40)]
    places = tuple(Occurrence(i, "c", i // 2, i % 2) for i in range(40))
    Plan("d", places, {}, {}, {}, None).write(tmp_path, asked)
    found = forecast(tmp_path, 2, None).tasks["c"]
    assert found.detectable == detectable.planned(20) < detectable.planned(19)
    assert found.detectable_unpaired == detectable.unpaired(20) < detectable.unpaired(19)


FACTS = {"model": "m", "engine": "hf", "accelerator": "cpu", "gpus": 0, "adapter": "x"}


def write_run(root, name, facts):
    folder = root / name / "variants" / "base"
    folder.mkdir(parents=True)
    (folder / "identity.json").write_text(json.dumps({"identity": "i", "of": facts}))
    answers = [
        Answer("a", 0, "generate", (Output("x"),), seconds=2.0),
        Answer("b", 0, "generate", (Output("y"),), seconds=4.0),
    ]
    (folder / "ledger.jsonl").write_bytes(dump(answers))
    seconds = {"seconds": {"tasks": 1.0, "plan": 2.0, "engine": 3.0, "answer": 99.0}}
    (folder / "variant.json").write_text(json.dumps(seconds))
    return folder


def test_rates_are_those_of_the_newest_run_of_the_same_model_whatever_the_adapter(tmp_path):
    write_run(tmp_path, "20250101-a", FACTS)
    write_run(tmp_path, "20250102-b", {**FACTS, "adapter": None})
    write_run(tmp_path, "20250103-c", {**FACTS, "model": "other"})
    found = measured_rates(tmp_path, FACTS)
    assert (found.run_id, found.start_seconds, found.seconds) == (
        "20250102-b",
        6.0,
        {"generate": 3},
    )


def test_a_damaged_run_measures_nothing(tmp_path):
    folder = write_run(tmp_path, "20250101-a", FACTS)
    (folder / "ledger.jsonl").write_text("broken\n")
    assert measured_rates(tmp_path, FACTS) is None
    assert measured_rates(tmp_path / "nowhere", FACTS) is None
