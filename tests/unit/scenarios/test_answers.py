"""Answers are kept, taken up again and taken over from other runs, by whose they are."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from rdagent.demo import mini_home, paths
from rdagent.evaluation.request import EvaluationRequest, NamedVariant
from rdagent.evaluation.run import run
from rdagent.jobs.backends.fake import Program
from rdagent.records.events import read_events
from rdagent.records.ledger import Answer, Output, dump
from rdagent.records.status import InsideStatus, PartStatus
from tests.unit.scenarios.conftest import evaluates, lm_eval_results
from tests.weights import weights

ANSWERED = '{"schema": "rdagent.answered/1"}'


def ledger(*numbers):
    """Return a ledger with one answer of each attempt."""
    answers = [Answer(f"k{n}", 0, "generate", (Output(f"attempt {n}"),)) for n in numbers]
    return dump(answers).decode()


class Answering:
    """Plays the program inside: what it finds, it keeps; what it answers, it writes."""

    def __init__(self, *ends):
        self.ends = list(ends) or ["ok"]
        self.found = []
        self.requests = []

    def program(self):
        return Program(does=self.act)

    def act(self, words, out):
        request = json.loads(words.files["request.json"])
        self.requests.append(request)
        end = self.ends.pop(0) if len(self.ends) > 1 else self.ends[0]
        found, parts = {}, []
        for variant in request["variants"]:
            name = variant["name"]
            # What a job sees at the mount ``kept``.
            kept = (out.parents[2] / "variants" / name).glob("*.json*")
            found[name] = {path.name: path.read_text() for path in kept}
            folder = out / "variants" / name
            folder.mkdir(parents=True)
            (folder / "ledger.jsonl").write_text(ledger(len(self.requests)))
            (folder / "answered.json").write_text(ANSWERED)
            if end == "ok":
                (folder / "results.json").write_text(json.dumps(lm_eval_results()))
            parts.append(PartStatus(name, end))
        self.found.append(found)
        InsideStatus(end, "", tuple(parts)).write(out)


def request(**change):
    return EvaluationRequest(
        tasks=(mini_home.TASK,),
        base_model=os.environ.get("FT_BASE_MODEL"),
        include=(paths.TASK_FOLDER,),
        with_base=True,
        **change,
    )


def events(evaluation, kind):
    return [event for event in read_events(evaluation.folder) if event["event"] == kind]


def test_answers_and_whose_they_are_stand_in_the_runs_folder(backend):
    plays = Answering()
    done = run(request(), backend(plays.program()))
    folder = done.folder / "variants" / "base"
    assert (folder / "ledger.jsonl").read_text() == ledger(1)
    identity = json.loads((folder / "identity.json").read_text())
    assert identity["of"]["engine"] == "hf"
    assert identity["identity"]


def test_another_request_to_the_same_model_finds_its_answers_and_says_whose(backend):
    plays = Answering()
    fake = backend(plays.program())
    first = run(request(limit=4), fake)
    second = run(request(limit=8), fake)
    assert second.run_id != first.run_id
    assert plays.found[1]["base"]["reused.jsonl"] == ledger(1)
    assert plays.found[1]["base"]["answered.json"] == ANSWERED
    assert [event["run"] for event in events(second, "answers_found")] == [first.run_id]


def test_answers_of_several_runs_are_taken_the_newest_first(backend):
    plays = Answering()
    fake = backend(plays.program())
    runs = [run(request(limit=limit), fake) for limit in (4, 5, 6)]
    assert sorted(plays.found[2]["base"]["reused.jsonl"].splitlines()) == sorted(
        ledger(1, 2).splitlines()
    )
    found = {event["run"] for event in events(runs[2], "answers_found")}
    assert found == {runs[1].run_id, runs[0].run_id}


def test_a_damaged_ledger_of_another_run_costs_its_own_answers_only(backend):
    plays = Answering()
    fake = backend(plays.program())
    run(request(limit=4), fake)
    newest = run(request(limit=5), fake)
    path = newest.folder / "variants" / "base" / "ledger.jsonl"
    path.write_text(path.read_text().replace("attempt 2", "attempt 9"))
    assert run(request(limit=6), fake).status.reason == "ok"
    assert plays.found[2]["base"]["reused.jsonl"] == ledger(1)


def test_parts_that_processes_left_side_by_side_are_taken_as_well(backend):
    plays = Answering()
    fake = backend(plays.program())
    folder = run(request(limit=4), fake).folder / "variants" / "base"
    (folder / "ledger.jsonl").rename(folder / "ledger.0.jsonl")
    (folder / "ledger.1.jsonl").write_text(ledger(7))
    run(request(limit=5), fake)
    assert plays.found[1]["base"]["reused.jsonl"] == ledger(1, 7)


def test_fresh_takes_nothing_over(backend):
    plays = Answering()
    fake = backend(plays.program())
    run(request(), fake)
    run(request(), fake, fresh=True)
    assert plays.found[1] == {"base": {}}


@pytest.mark.parametrize(
    "change",
    [{"seed": 7}, {"dtype": "bfloat16"}, {"batch_size": "4"}, {"max_model_len": 512}],
)
def test_who_answers_otherwise_is_not_asked_the_same(backend, change):
    plays = Answering()
    fake = backend(plays.program())
    run(request(), fake)
    run(request(**change), fake)
    assert plays.found[1] == {"base": {}}


def test_a_changed_weight_is_another_model_and_a_readme_is_not(backend):
    plays, model = Answering(), Path(os.environ["FT_BASE_MODEL"])
    fake = backend(plays.program())
    run(request(), fake)
    (model / "README.md").write_text("new words")
    run(request(limit=1), fake)
    assert "reused.jsonl" in plays.found[1]["base"]
    (model / "model.safetensors").write_bytes(weights("another weight"))
    run(request(limit=2), fake)
    assert plays.found[2] == {"base": {}}


def test_a_base_that_answered_beside_one_adapter_serves_the_next(backend, workspace, tmp_path):
    plays = Answering()
    fake = backend(plays.program())
    run(request(variants=(NamedVariant("a", workspace / "output"),)), fake)
    other = tmp_path / "other"
    shutil.copytree(workspace / "output", other)
    config = json.loads((other / "adapter_config.json").read_text())
    (other / "adapter_config.json").write_text(json.dumps({**config, "lora_alpha": 4}))
    run(request(variants=(NamedVariant("b", other),)), fake)
    assert "reused.jsonl" in plays.found[1]["base"]
    assert plays.found[1]["b"] == {}


def test_an_unfinished_run_goes_on_with_its_own_answers(backend):
    plays = Answering("incomplete", "ok")
    fake = backend(plays.program())
    first = run(request(), fake)
    assert first.status.reason == "incomplete"
    second = run(request(), fake)
    assert (second.run_id, second.status.reason) == (first.run_id, "ok")
    assert plays.found[1]["base"]["ledger.jsonl"] == ledger(1)
    assert "reused.jsonl" not in plays.found[1]["base"]


def test_a_ledger_that_is_a_link_is_not_followed(backend, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("mine")

    def act(words, out):
        evaluates().does(words, out)
        (out / "variants" / "base" / "ledger.jsonl").symlink_to(secret)

    done = run(request(), backend(Program(does=act)))
    assert done.status.reason == "ok"
    assert not (done.folder / "variants" / "base" / "ledger.jsonl").exists()


def test_a_link_to_another_runs_variants_is_not_followed(backend):
    other = run(request(limit=4), backend(Answering().program())).folder / "variants"

    def act(words, out):
        (out / "variants").symlink_to(other)
        InsideStatus("command_failed", "").write(out)

    done = run(request(limit=5), backend(Program(does=act, exit_code=1)), fresh=True)
    assert not (done.folder / "variants" / "base" / "ledger.jsonl").exists()


def changes(path, content):
    """An evaluation during which somebody edits a file."""

    def act(words, out):
        Answering().act(words, out)
        path.write_bytes(content)

    return Program(does=act)


def test_a_base_that_changes_while_it_answers_gives_no_result_and_no_answers(backend):
    weight = Path(os.environ["FT_BASE_MODEL"]) / "model.safetensors"
    done = run(request(), backend(changes(weight, weights("other"))))
    assert done.status.reason == "results_invalid"
    assert "changed while" in done.status.hint
    assert not (done.folder / "variants").exists()


def test_tasks_that_change_while_they_are_asked_give_no_result(backend, tmp_path):
    tasks = tmp_path / "tasks"
    shutil.copytree(paths.TASK_FOLDER, tasks)
    program = changes(tasks / "demo_home.yaml", b"task: demo_home")
    done = run(replace(request(), include=(tasks,)), backend(program))
    assert done.status.reason == "results_invalid"


def test_consent_to_a_shorter_context_is_another_request(backend):
    fake = backend(Answering().program())
    consenting = run(request(allow_shorter_context=True), fake)
    assert run(request(), fake).run_id != consenting.run_id


def test_a_smaller_batch_on_the_way_is_the_same_model_to_later_runs(backend):
    plays = Answering("out_of_memory", "ok", "ok")
    fake = backend(plays.program())
    run(request(limit=4), fake)
    run(request(limit=5), fake)
    assert "reused.jsonl" in plays.found[2]["base"]


def test_an_event_that_was_cut_off_does_not_end_the_run_for_good(backend):
    plays = Answering("incomplete", "ok")
    fake = backend(plays.program())
    first = run(request(), fake)
    with (first.folder / "events.jsonl").open("a") as log:
        log.write('{"event": "cut o')
    again = run(request(), fake)
    assert (again.run_id, again.status.reason) == (first.run_id, "ok")
    kinds = [event["event"] for event in read_events(first.folder)]
    assert kinds[-1] == "ended"


def test_out_of_memory_is_tried_again_smaller_and_keeps_what_was_answered(backend):
    plays = Answering("out_of_memory", "out_of_memory", "ok")
    done = run(request(), backend(plays.program()))
    assert done.status.reason == "ok"
    assert [asked["batch_size"] for asked in plays.requests] == ["auto", "8", "2"]
    assert plays.found[1]["base"]["ledger.jsonl"] == ledger(1)
    assert [event["step"] for event in events(done, "out_of_memory_step")] == [1, 2]
    assert any("batch size 2" in note for note in done.notes)


def test_out_of_memory_ends_after_three_steps(backend):
    plays = Answering("out_of_memory")
    done = run(request(), backend(plays.program()))
    assert done.status.reason == "out_of_memory"
    assert [asked["batch_size"] for asked in plays.requests] == ["auto", "8", "2", "1"]


def test_another_failure_is_not_tried_smaller(backend):
    plays = Answering("command_failed")
    assert run(request(), backend(plays.program())).status.reason == "command_failed"
    assert len(plays.requests) == 1


def test_what_was_answered_before_a_tasks_own_code_failed_is_not_asked_again(backend):
    plays = Answering("command_failed", "ok")
    fake = backend(plays.program())
    failed = run(request(), fake)
    assert failed.status.reason == "command_failed"
    done = run(request(), fake)
    assert (done.status.reason, done.run_id == failed.run_id) == ("ok", False)
    assert plays.found[1]["base"]["reused.jsonl"] == ledger(1)


def test_a_shorter_context_starts_every_answer_anew(backend):
    plays = Answering("out_of_memory", "ok")
    asked = request(batch_size="1", max_model_len=2048, allow_shorter_context=True)
    done = run(asked, backend(plays.program()))
    assert done.status.reason == "ok"
    assert plays.requests[1]["max_model_len"] == 1024
    assert plays.found[1] == {"base": {}}


def test_an_edit_of_a_tasks_readme_asks_for_the_same_run(backend, tmp_path):
    tasks = tmp_path / "tasks"
    shutil.copytree(paths.TASK_FOLDER, tasks)
    (tasks / "__pycache__").mkdir(exist_ok=True)
    asked = replace(request(), include=(tasks,))
    fake = backend(evaluates())
    first = run(asked, fake)
    (tasks / "README.md").write_text("about these tasks")
    (tasks / "__pycache__" / "x.pyc").write_bytes(b"1")
    assert run(asked, fake).run_id == first.run_id
    (tasks / "demo_home.yaml").write_text((tasks / "demo_home.yaml").read_text() + "\n# new\n")
    assert run(asked, fake).run_id != first.run_id


def test_what_a_kill_had_cut_off_is_an_event_of_the_run(backend):
    class Mended(Answering):
        def act(self, words, out):
            super().act(words, out)
            said = {"answers": {"asked": 4, "reused": 0, "resumed": 2, "dropped": 3, "torn": True}}
            (out / "variants" / "base" / "variant.json").write_text(json.dumps(said))

    done = run(request(), backend(Mended().program()))
    (event,) = events(done, "answers_dropped")
    assert (event["variant"], event["dropped"], event["torn"]) == ("base", 3, True)
    whole = run(request(seed=2), backend(Answering().program()))
    assert events(whole, "answers_dropped") == []
