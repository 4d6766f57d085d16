"""A server is asked between two real jobs: planned by lm_eval, asked by the host, scored by it."""

import json
import os
import signal
import subprocess

import pytest

from rdagent.demo import mini_home, paths
from rdagent.errors import RefusedError
from rdagent.evaluation import run as evaluation_run
from rdagent.evaluation.request import EvaluationRequest, NamedVariant
from rdagent.jobs.backends.choose import choose_backend
from tests.chat_server import chatting, refusal
from tests.environments.conftest import RDAGENT
from tests.environments.test_whole_way import wait_until

pytestmark = [pytest.mark.environments, pytest.mark.timeout(900)]

LIMIT = 12


@pytest.fixture(scope="module")
def truth():
    with (paths.TASK_FOLDER / "test.jsonl").open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return {row["prompt"]: row["answer"] for row in rows}


@pytest.fixture
def server(environments, truth):
    def answer(body):
        right = truth[body["messages"][-1]["content"]]
        return f"{{{right}}}\nand more" if body["model"] == "knows" else "{nothing.of_it()}"

    with chatting(answer=answer, models=("knows", "guesses")) as chat:
        yield chat


def request(server, **change):
    usual = {
        "tasks": (mini_home.TASK,),
        "base_model": "knows",
        "with_base": True,
        "include": (paths.TASK_FOLDER,),
        "engine": "endpoint",
        "endpoint": server.url,
        "limit": LIMIT,
        "timeout_seconds": 600,
    }
    return EvaluationRequest(**{**usual, **change})


def run(server, **change):
    return evaluation_run.run(request(server, **change), choose_backend())


def score(variant):
    return variant.scores[mini_home.TASK]


def test_a_server_that_knows_the_answers_scores_one_and_one_that_does_not_scores_nothing(server):
    server.fingerprints = ["fp_1"]
    done = run(server, variants=(NamedVariant("guesses", None, "guesses"),))
    assert done.status.reason == "ok", done.log_tail
    knows, guesses = done.variant("base"), done.variant("guesses")
    assert (score(knows).value, score(knows).n, knows.average.value) == (1.0, LIMIT, 1.0)
    assert (score(guesses).value, guesses.average.value) == (0.0, 0.0)
    assert (knows.level, knows.answers.asked, knows.answers.resumed) == (None, LIMIT, 0)
    assert len(server.asked) == 2 * LIMIT
    assert server.asked[0]["stop"] == ["<|im_end|>", "\n"]
    assert (server.asked[0]["max_tokens"], server.asked[0]["temperature"]) == (48, 0.0)
    assert [message["role"] for message in server.asked[0]["messages"]] == ["system", "user"]
    results = json.loads((done.folder / "variants" / "base" / "results.json").read_text())
    assert results["model_name"] == "knows"
    assert results["config"]["endpoint_fingerprints"] == ["fp_1"]


def test_with_a_revision_a_larger_limit_asks_only_the_new_documents(server):
    first = run(server, endpoint_revision="june")
    server.asked.clear()
    done = run(server, endpoint_revision="june", limit=LIMIT + 4)
    assert (score(done.variant("base")).value, score(done.variant("base")).n) == (1.0, LIMIT + 4)
    assert len(server.asked) == 4
    said = f"{LIMIT} of {LIMIT + 4} answers were taken from run {first.run_id}"
    assert said in done.variant("base").notes
    server.asked.clear()
    run(server, endpoint_revision="june", limit=LIMIT + 5)
    assert len(server.asked) == 1  # what was taken over is handed on


def test_a_run_that_was_killed_while_it_asked_goes_on_and_asks_the_rest(server, place):
    answered = LIMIT - 5
    knows = server.answer

    def answer(body):
        if len(server.asked) > answered:
            server.gate.clear()
            server.gate.wait(120)
        return knows(body)

    server.answer = answer
    command = [*RDAGENT, "eval", "--engine", "endpoint", "--endpoint", server.url, "--json"]
    command += ["--endpoint-concurrency", "1", "--base-model", "knows", "--limit", str(LIMIT)]
    command += ["--tasks", mini_home.TASK, "--include", str(paths.TASK_FOLDER), "--seed", "7"]
    said = (place / "killed.txt").open("w")
    with said:
        process = subprocess.Popen(command, stdout=said, stderr=said, env=os.environ.copy())
        try:
            wait_until(lambda: len(server.asked) > answered or process.poll() is not None)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait(60)
    assert process.returncode == -signal.SIGKILL, (place / "killed.txt").read_text()
    server.answer = knows
    server.gate.set()
    server.asked.clear()
    again = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert again.returncode == 0, again.stderr
    document = json.loads(again.stdout)
    (variant,) = document["variants"]
    assert variant["average"] == 1.0
    assert variant["answers"] == {"asked": LIMIT, "reused": 0, "resumed": answered}
    assert len(server.asked) == LIMIT - answered


def test_ctrl_c_while_a_server_is_asked_ends_it_as_always(server, place):
    server.gate.clear()
    command = [*RDAGENT, "eval", "--engine", "endpoint", "--endpoint", server.url]
    command += ["--base-model", "knows", "--limit", "3", "--seed", "8"]
    command += ["--tasks", mini_home.TASK, "--include", str(paths.TASK_FOLDER)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ.copy()
    )
    try:
        wait_until(lambda: len(server.asked) == 3 or process.poll() is not None)
    finally:
        process.send_signal(signal.SIGINT)
        server.gate.set()
        out, said = process.communicate(timeout=120)
    assert process.returncode == 130, out + said
    server.asked.clear()
    again = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert again.returncode == 0, again.stderr
    assert server.asked == []  # what was on its way was waited for


LETTERS = """\
task: begun_letters
custom_dataset: !function letters.load
test_split: test
output_type: generate_until
doc_to_text: "Say {{letter}}."
doc_to_target: "{{letter}}"
gen_prefix: "I say"
generation_kwargs: {until: ["."], do_sample: true, temperature: 0.5, max_new_tokens: 9}
metric_list: [{metric: exact_match}]
repeats: 2
filter_list:
  - {name: last, filter: [{function: regex, regex_pattern: "([a-z])$"}, {function: take_first}]}
"""
CHOICE = """\
task: letter_choice
custom_dataset: !function letters.load
test_split: test
output_type: multiple_choice
doc_to_text: "Say {{letter}}."
doc_to_target: 0
doc_to_choice: ["a", "b"]
"""
LOADER = """\
from datasets import Dataset


def load(**_):
    return {"test": Dataset.from_list([{"letter": "a"}, {"letter": "b"}])}
"""


@pytest.fixture(scope="module")
def letters(place):
    folder = place / "letters"
    folder.mkdir()
    (folder / "letters.py").write_text(LOADER)
    (folder / "begun_letters.yaml").write_text(LETTERS)
    (folder / "letter_choice.yaml").write_text(CHOICE)
    return folder


def test_a_task_that_begins_the_answer_and_draws_twice_is_asked_so(environments, letters):
    with chatting() as server:
        server.answer = lambda body: f" {body['messages'][0]['content'][4]}. And more"
        done = run(server, tasks=("begun_letters",), include=(letters,), limit=None)
    assert done.status.reason == "ok", done.log_tail
    assert done.variant("base").scores["begun_letters"].value == 1.0
    assert len(server.asked) == 4
    assert len({body["seed"] for body in server.asked}) == 4
    for body in server.asked:
        assert body["messages"][-1] == {"role": "assistant", "content": "I say"}
        assert body["continue_final_message"] is True
        assert (body["temperature"], body["max_tokens"], body["stop"]) == (0.5, 9, ["."])
    assert any("gen_prefix" in note for note in done.variant("base").notes)


def test_a_server_that_cannot_go_on_with_an_answer_is_not_asked_those_tasks(environments, letters):
    said = "Unrecognized request argument supplied: continue_final_message"
    with chatting(rule=lambda body: refusal(400, said)) as server:
        with pytest.raises(RefusedError, match="begin the answer"):
            run(server, tasks=("begun_letters",), include=(letters,), limit=None, seed=2)
        assert len(server.asked) <= 8


def test_a_task_that_wants_likelihoods_is_refused_by_its_name(server, letters):
    done = run(server, tasks=("letter_choice",), include=(letters,), limit=None)
    assert done.status.reason == "refused"
    assert "Task 'letter_choice'" in done.status.hint
    assert server.asked == []
