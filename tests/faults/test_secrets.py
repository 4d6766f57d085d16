"""A secret reaches the program that it is meant for, and stands nowhere in clear."""

import base64
import json
from urllib.parse import quote

import pytest

from rdagent.errors import RefusedError
from rdagent.jobs.backends.docker_api import connect
from rdagent.jobs.supervisor import Watch

pytestmark = pytest.mark.engine
SECRET = "s3cr3t with/blanks+\"and'quotes$HOME"
FORMS = [SECRET, quote(SECRET, safe=""), base64.b64encode(SECRET.encode()).decode()]


def given(bench, script, **environment):
    """Run a job and return its end with everything that the engine recorded of it."""
    recorded = []

    def look(attempt):
        if not recorded:
            recorded.append(connect().inspect_container(bench.engine.containers()[0]["Id"]))

    end = bench.run(script, Watch(on_poll=look), environment=environment)
    return end, json.dumps(recorded)


@pytest.mark.parametrize("name", ["HF_TOKEN", "WANDB_API_KEY", "DB_PASSWORD", "MYSECRET"])
def test_a_secret_variable_is_seen_by_the_program_and_by_nobody_else(bench, name):
    script = f'printf "%s" "${name}" > /job/out/seen; sleep 1'
    end, recorded = given(bench, script, **{name: SECRET, "PLAIN": "plain value"})
    assert end.outcome.ok, end.log.read_text()
    assert (end.out / "seen").read_text() == SECRET
    assert SECRET not in recorded
    assert json.dumps(SECRET)[1:-1] not in recorded
    assert "plain value" in recorded
    written = [p for p in end.attempt.rglob("*") if p.is_file() and p.name != "seen"]
    assert all(SECRET.encode() not in path.read_bytes() for path in written)


def test_a_secret_that_the_program_prints_is_masked_in_its_log(bench):
    halves = [(form[:20], form[20:]) for form in FORMS[1:]]
    script = "; ".join(f"printf '%s%s\\n' '{first}' '{second}'" for first, second in halves)
    script += "; printf '%s\\n' \"$HF_TOKEN\""
    end, _ = given(bench, f"{script}; sleep 1; echo done", HF_TOKEN=SECRET)
    log = end.log.read_text()
    assert "done" in log
    assert not any(form in log for form in FORMS), log
    assert log.count("***") == len(FORMS)


def test_a_program_that_wants_its_input_gets_none_and_does_not_hang(bench):
    end, _ = given(bench, "cat; echo end of input", HF_TOKEN=SECRET)
    assert "end of input" in end.log.read_text()
    assert end.outcome.ok


def test_a_program_that_is_missing_is_named_with_secrets_as_without(bench):
    from rdagent.jobs.backends.docker import DockerBackend
    from rdagent.jobs.supervisor import run_job

    spec = bench.spec("true", argv=("/no/such/program",), environment={"HF_TOKEN": SECRET})
    assert run_job(DockerBackend(), spec, bench.folder, "fault").outcome.reason == "entry_not_found"


@pytest.mark.parametrize("place", ["argv", "files"])
def test_a_secret_in_the_argv_or_in_a_file_is_refused_before_anything_starts(bench, place):
    exposed = {"argv": ("x", f"--token={SECRET}")} if place == "argv" else {"files": {"a": SECRET}}
    with pytest.raises(RefusedError, match="holds a secret") as caught:
        bench.run("true", environment={"HF_TOKEN": SECRET}, **exposed)
    assert SECRET not in str(caught.value)
    assert "variable" in caught.value.hint
    assert not bench.folder.exists()


def test_a_secret_of_several_lines_is_refused_with_what_to_do(bench):
    with pytest.raises(RefusedError, match="SSH_KEY") as caught:
        bench.run("true", environment={"SSH_KEY": "-----BEGIN\nabc"})
    assert "file" in caught.value.hint
