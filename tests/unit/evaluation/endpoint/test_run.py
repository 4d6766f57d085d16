"""A run on a server: planned, asked, scored; gone on with; refused; and the key nowhere in it."""

import json
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from rdagent.demo import mini_home, paths
from rdagent.errors import JobFailed, RefusedError, UsageError
from rdagent.evaluation.endpoint import asking
from rdagent.evaluation.endpoint import run as endpoint_run
from rdagent.evaluation.endpoint.address import Endpoint
from rdagent.evaluation.request import EvaluationRequest, NamedVariant
from rdagent.evaluation.run import plan, run
from rdagent.jobs.backends.fake import FakeBackend, Program
from rdagent.jobs.cancel import ask_to_stop
from rdagent.records.answered import Answered
from rdagent.records.events import read_events
from rdagent.records.ledger import dump, read_ledger, recover
from rdagent.records.plan import read_requests
from rdagent.records.status import InsideStatus, PartStatus
from tests.chat_server import Fault, refusal
from tests.unit.evaluation.endpoint.conftest import request_of, write_plan
from tests.unit.scenarios.conftest import EVALUATE, IMAGE, lm_eval_results

KEY = "sk-Secret0123456789abcdefghij"


class Jobs:
    """Plays the program inside: plans as many questions as the limit says, scores what it finds."""

    def __init__(self, told=None):
        self.told = told
        self.requests = []
        self.fakes = []
        self.plans_as = InsideStatus("ok")
        self.scores_as = None

    def backend(self):
        fake = FakeBackend({EVALUATE: Program(does=self.act)})
        fake.images = {IMAGE}
        self.fakes.append(fake)
        return fake

    def stages(self):
        return [request["stage"] for request in self.requests]

    def act(self, words, out):
        request = json.loads(words.files["request.json"])
        self.requests.append(request)
        {"plan": self.plan, "score": self.score}[request["stage"]](request, out)

    def plan(self, request, out):
        told = {"until": ["\n"]} if self.told is None else self.told
        asked = [request_of(f"q{n}", told, chunk=n // 4) for n in range(int(request["limit"]))]
        write_plan(out / "plan", asked)
        self.plans_as.write(out)

    def score(self, request, out):
        if self.scores_as is not None:
            self.scores_as.write(out)
            return
        parts = []
        for variant in request["variants"]:
            # What a job sees at the mount ``kept``, taken up as the program does.
            kept = out.parents[2] / "variants" / variant["name"]
            chunks = {one.name: one.chunk for one in read_requests(out.parents[2] / "plan")}
            found = {a.name: a for a in recover(kept / "ledger.jsonl", chunks).kept if not a.error}
            folder = out / "variants" / variant["name"]
            folder.mkdir(parents=True)
            (folder / "ledger.jsonl").write_bytes(dump(found.values()))
            if set(found) < set(chunks) or not (kept / "answered.json").exists():
                parts.append(PartStatus(variant["name"], "incomplete", "answers are missing"))
                continue
            Answered.read(kept).write(folder)
            (folder / "results.json").write_text(json.dumps(lm_eval_results(n=len(chunks))))
            counts = {"asked": len(chunks), "reused": 0, "resumed": len(chunks)}
            told = {"answers": counts, "notes": list(Answered.read(kept).notes)}
            (folder / "variant.json").write_text(json.dumps(told))
            parts.append(PartStatus(variant["name"], "ok"))
        failed = [part for part in parts if part.reason != "ok"]
        reason = "ok" if not failed else "incomplete"
        InsideStatus(reason, "", tuple(parts)).write(out)


@pytest.fixture
def jobs():
    return Jobs()


@pytest.fixture(autouse=True)
def _place(monkeypatch, tmp_path):
    monkeypatch.setenv("BENCHMARK_DOCKER_IMAGE", IMAGE)
    monkeypatch.setenv("FT_FILE_PATH", str(tmp_path / "ft"))
    monkeypatch.setenv("RDAGENT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FT_ENV", "docker")
    for name in ("RDAGENT_ENDPOINT_KEY", "FT_BASE_MODEL", "FT_BENCHMARK_ENGINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("rdagent.evaluation.endpoint.client.FIRST_PAUSE", 0.0)
    monkeypatch.setattr(asking, "POLL_SECONDS", 0.02)


def request(server, **change):
    usual = {
        "tasks": (mini_home.TASK,),
        "base_model": "m",
        "with_base": True,
        "include": (paths.TASK_FOLDER,),
        "engine": "endpoint",
        "endpoint": server.url,
        "endpoint_concurrency": 1,
        "limit": 12,
    }
    return EvaluationRequest(**{**usual, **change})


def events(evaluation, kind):
    return [event for event in read_events(evaluation.folder) if event["event"] == kind]


def files_of(folder):
    return [path for path in Path(folder).rglob("*") if path.is_file()]


def test_the_host_asks_between_a_job_that_plans_and_one_that_scores(jobs, server):
    lines = []
    done = run(request(server), jobs.backend(), say=lines.append)
    assert done.status.reason == "ok"
    assert jobs.stages() == ["plan", "score"]
    assert len(server.asked) == 12
    result = done.variant("base")
    assert (result.model, result.adapter) == ("m", None)
    assert result.scores[mini_home.TASK].value == 0.75
    assert (result.answers.asked, result.answers.resumed) == (12, 0)
    assert len(read_ledger(done.folder / "variants" / "base" / "ledger.jsonl").answers) == 12
    assert "base: 12 of 12 answers" in lines


def test_no_job_has_a_model_a_network_or_more_than_it_needs(jobs, server):
    run(request(server, endpoint_revision="june"), jobs.backend())
    specs = [job.spec for job in jobs.fakes[0].created]
    assert [spec.network for spec in specs] == ["none", "none"]
    assert [[mount.name for mount in spec.mounts] for spec in specs] == [
        ["include_0"],
        ["include_0", "kept"],
    ]
    assert [spec.gpus for spec in specs] == [(), ()]


def test_several_models_of_one_server_are_asked_each_and_scored_together(jobs, server):
    several = (NamedVariant("a", None, "model-a"), NamedVariant("b", None, "model-b"))
    done = run(request(server, variants=several), jobs.backend())
    assert [variant.name for variant in done.variants] == ["base", "a", "b"]
    assert [variant.model for variant in done.variants] == ["m", "model-a", "model-b"]
    assert {body["model"] for body in server.asked} == {"m", "model-a", "model-b"}
    assert jobs.stages() == ["plan", "score"]


def test_the_same_request_is_not_asked_again(jobs, server):
    run(request(server), jobs.backend())
    again = run(request(server), jobs.backend())
    assert again.reused
    assert len(server.asked) == 12


@pytest.mark.parametrize(
    "change",
    [
        {"base_model": "another"},
        {"endpoint_revision": "june"},
        {"seed": 5},
    ],
)
def test_another_model_revision_or_seed_is_another_run(jobs, server, change):
    first = run(request(server), jobs.backend())
    other = run(request(server, **change), jobs.backend())
    assert other.run_id != first.run_id
    assert len(server.asked) == 24


def test_how_many_are_asked_at_a_time_decides_nothing(jobs, server):
    run(request(server), jobs.backend())
    assert run(request(server, endpoint_concurrency=3), jobs.backend()).reused


def test_without_a_revision_another_run_asks_everything(jobs, server):
    run(request(server), jobs.backend())
    done = run(request(server, limit=16), jobs.backend())
    assert len(server.asked) == 12 + 16
    assert events(done, "answers_found") == []
    assert not (done.folder / "variants" / "base" / "identity.json").exists()


def test_with_a_revision_another_run_asks_only_what_is_new(jobs, server):
    first = run(request(server, endpoint_revision="june"), jobs.backend())
    server.asked.clear()
    done = run(request(server, limit=16, endpoint_revision="june"), jobs.backend())
    assert server.prompts() == ["q12", "q13", "q14", "q15"]
    assert [event["run"] for event in events(done, "answers_found")] == [first.run_id]
    result = done.variant("base")
    assert (result.answers.reused, result.answers.resumed) == (12, 0)
    assert f"12 of 16 answers were taken from run {first.run_id}" in result.notes
    identity = json.loads((done.folder / "variants" / "base" / "identity.json").read_text())
    assert identity["of"]["endpoint"] == {"url": server.url, "revision": "june"}
    assert identity["of"]["model"] == "m"


def test_another_revision_shares_nothing(jobs, server):
    run(request(server, endpoint_revision="june"), jobs.backend())
    run(request(server, limit=16, endpoint_revision="july"), jobs.backend())
    assert len(server.asked) == 12 + 16


def test_fresh_asks_everything_whatever_the_revision_says(jobs, server):
    run(request(server, endpoint_revision="june"), jobs.backend())
    run(request(server, endpoint_revision="june"), jobs.backend(), fresh=True)
    assert len(server.asked) == 24


def test_a_run_that_is_cancelled_in_the_middle_goes_on_and_asks_the_rest(jobs, server):
    cancel = threading.Event()
    server.answer = lambda body: cancel.set() if len(server.asked) == 5 else "ok"
    first = run(request(server), jobs.backend(), cancel=cancel)
    assert first.status.reason == "cancelled"
    assert jobs.stages() == ["plan"]
    server.answer = lambda body: "ok"
    done = run(request(server), jobs.backend())
    assert (done.run_id, done.status.reason) == (first.run_id, "ok")
    assert sorted(server.prompts()) == sorted(f"q{n}" for n in range(12))
    assert done.variant("base").answers.resumed == 5


def test_cancel_from_another_terminal_ends_the_asking(jobs, server, tmp_path):
    def answer(body):
        if len(server.asked) == 3:
            (attempts,) = (tmp_path / "ft" / "runs").glob("*/attempts")
            ask_to_stop(attempts)
        return "ok"

    server.answer = answer
    assert run(request(server), jobs.backend()).status.reason == "cancelled"
    assert len(server.asked) < 12


def test_the_deadline_is_one_for_everything_and_what_was_answered_is_not_paid_twice(
    jobs, server, monkeypatch
):
    late = threading.Event()
    monkeypatch.setattr(endpoint_run._Way, "_left", lambda self: 0.0 if late.is_set() else 1000.0)
    server.answer = lambda body: late.set() if len(server.asked) == 4 else "ok"
    first = run(request(server), jobs.backend())
    assert (first.status.reason, first.status.exit_code) == ("timeout", 124)
    assert jobs.stages() == ["plan"]
    late.clear()
    server.answer = lambda body: "ok"
    done = run(request(server), jobs.backend())
    assert (done.run_id, done.status.reason) == (first.run_id, "ok")
    assert len(server.asked) <= 13


def test_the_job_that_scores_has_what_is_left_of_the_time(jobs, server, monkeypatch):
    monkeypatch.setattr(endpoint_run._Way, "_left", lambda self: 77.0)
    run(request(server, timeout_seconds=500), jobs.backend())
    seconds = [job.spec.limits.deadline_seconds for job in jobs.fakes[0].created]
    assert seconds == [500, 77.0]


def test_a_job_that_fails_after_the_asking_costs_no_answer(jobs, server):
    jobs.scores_as = InsideStatus("out_of_memory", "the kernel ended it")
    first = run(request(server), jobs.backend())
    assert (first.status.status, first.status.reason) == ("failed", "out_of_memory")
    jobs.scores_as = None
    done = run(request(server), jobs.backend())
    assert (done.run_id, done.status.reason) == (first.run_id, "ok")
    assert len(server.asked) == 12


def test_data_that_changed_meanwhile_cost_the_scores_and_no_answer(jobs, server, monkeypatch):
    changed = ["the data in x"]
    monkeypatch.setattr(
        "rdagent.evaluation.run.changed_meanwhile", lambda _: changed.pop() if changed else None
    )
    first = run(request(server), jobs.backend())
    assert (first.status.reason, first.variants) == ("results_invalid", ())
    done = run(request(server), jobs.backend())
    assert (done.run_id, done.status.reason) == (first.run_id, "ok")
    assert len(server.asked) == 12


def test_one_failed_request_leaves_its_model_unscored_and_says_why(jobs, server):
    server.rule = lambda body: (
        refusal(400, "too long for me")
        if (body["model"], body["messages"][-1]["content"]) == ("model-a", "q3")
        else None
    )
    variants = (NamedVariant("a", None, "model-a"),)
    done = run(request(server, variants=variants), jobs.backend())
    assert (done.status.status, done.status.exit_code) == ("incomplete", 6)
    assert [variant.name for variant in done.variants] == ["base"]
    assert "a: 11 of 12 requests are answered, 1 failed" in done.status.hint
    assert "too long for me" in done.status.hint
    ledger = read_ledger(done.folder / "variants" / "a" / "ledger.jsonl").answers
    assert [one.error is None for one in ledger.values()].count(False) == 1
    server.rule = lambda body: None
    server.asked.clear()
    again = run(request(server, variants=variants), jobs.backend())
    assert (again.run_id, again.status.reason) == (done.run_id, "ok")
    assert server.prompts() == ["q3"]


def test_nothing_is_scored_when_no_model_has_all_its_answers(jobs, server):
    server.rule = lambda body: refusal(400, "no") if len(server.asked) == 2 else None
    done = run(request(server), jobs.backend())
    assert done.status.status == "incomplete"
    assert jobs.stages() == ["plan"]


def test_a_key_that_is_refused_ends_the_run_as_refused(jobs, server):
    server.key = KEY
    with pytest.raises(RefusedError, match="wants a key"):
        run(request(server), jobs.backend())
    assert len(server.asked) == 1


def test_a_key_that_expires_in_the_middle_keeps_what_was_answered(jobs, server):
    server.rule = lambda body: refusal(401, "expired") if len(server.asked) > 5 else None
    first = run(request(server), jobs.backend())
    assert first.status.status == "incomplete"
    assert "expired" in first.status.hint
    assert "RDAGENT_ENDPOINT_KEY" in first.status.hint
    server.rule = lambda body: None
    server.asked.clear()
    done = run(request(server), jobs.backend())
    assert done.run_id == first.run_id
    assert len(server.asked) == 7


def test_a_plan_that_is_refused_asks_nothing(jobs, server):
    jobs.plans_as = InsideStatus("refused", "Task 't' scores given answers by their likelihood")
    done = run(request(server), jobs.backend())
    assert done.status.reason == "refused"
    assert server.asked == []


def test_an_argument_that_no_server_knows_is_refused_before_anything_is_asked(jobs, server):
    jobs.told = {"top_k": 5}
    with pytest.raises(RefusedError, match="top_k=5"):
        run(request(server), jobs.backend())
    assert server.asked == []


def test_a_server_that_is_not_there_is_said_before_anything_is_planned(jobs, server):
    with pytest.raises(JobFailed, match="cannot be reached") as caught:
        run(request(server, endpoint="http://127.0.0.1:9/v1"), jobs.backend())
    assert caught.value.exit_code == 5
    assert jobs.requests == []


def test_the_key_stands_nowhere(jobs, server, monkeypatch, tmp_path, capfd):
    """Neither in what is written nor in what is said, whatever the server repeats of it."""
    (tmp_path / "key").write_text(KEY)
    server.key = KEY
    server.rule = lambda body: (
        refusal(400, f"Bearer {KEY} is fine, the prompt is not") if len(server.asked) == 3 else None
    )
    lines = []
    done = run(
        request(server, endpoint_key_file=tmp_path / "key"), jobs.backend(), say=lines.append
    )
    monkeypatch.setenv("RDAGENT_ENDPOINT_KEY", KEY)
    run(request(server, limit=4), jobs.backend(), say=lines.append)
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"
    said = "".join([*lines, *capfd.readouterr(), json.dumps(done.to_json()), done.status.hint])
    assert "is fine, the prompt is not" in said
    assert KEY not in said
    written = files_of(tmp_path / "ft")
    assert len(written) > 10
    assert [path.name for path in written if KEY.encode() in path.read_bytes()] == []


def test_a_key_on_an_open_road_is_warned_of(server, monkeypatch):
    far = request(server, endpoint="http://models.example.com/v1")
    assert plan(far)[0].notes == ()
    monkeypatch.setenv("RDAGENT_ENDPOINT_KEY", KEY)
    assert any("unencrypted" in note for note in plan(far)[0].notes)
    assert plan(request(server))[0].notes == ()
    assert plan(request(server, endpoint="https://models.example.com/v1"))[0].notes == ()


def test_the_warning_comes_before_the_key_goes(jobs, server, monkeypatch):
    monkeypatch.setattr(Endpoint, "is_plain", True)
    said = []

    def warning(text, *values):
        said.append((text.format(*values), len(server.paths)))

    monkeypatch.setattr(endpoint_run, "log", lambda: SimpleNamespace(warning=warning))
    run(request(server), jobs.backend())
    assert said == []
    server.paths.clear()
    monkeypatch.setenv("RDAGENT_ENDPOINT_KEY", KEY)
    run(request(server, seed=2), jobs.backend())
    assert [(("unencrypted" in text), asked) for text, asked in said] == [(True, 0)]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"endpoint": None}, "needs the address"),
        ({"chat_template": False}, "messages"),
        ({"thinking": True}, "thinking"),
        ({"base_model": None}, "no model is named"),
        ({"variants": (NamedVariant("x", Path("adapter"), "m"),)}, "adapter 'x'"),
        ({"endpoint_key_file": Path("no/such/file")}, "cannot be read"),
        ({"script": Path("x.json")}, "scripted"),
    ],
)
def test_what_a_server_cannot_be_asked_is_refused_before_anything_starts(server, change, said):
    with pytest.raises(UsageError, match=said):
        plan(request(server, **change))


def test_an_adapter_is_to_be_served_and_named(server):
    with pytest.raises(RefusedError) as caught:
        plan(request(server, variants=(NamedVariant("x", Path("adapter")),)))
    assert "--variant NAME=MODEL" in caught.value.hint


def test_what_only_the_server_decides_is_said_to_have_no_effect(server):
    asked = request(server, dtype="bfloat16", max_model_len=100, batch_size="4", num_gpus=2)
    preflight, spec = plan(asked)
    assert preflight.notes == (
        "of no effect, as the server decides on it: dtype, num_gpus, batch_size, max_model_len",
    )
    assert spec == plan(request(server))[1]


def test_a_run_that_never_had_an_answer_hangs_on_no_server(jobs, server):
    server.faults = [Fault(hangs=True)]
    done = run(request(server, timeout_seconds=1), jobs.backend())
    assert done.status.reason == "timeout"
