"""What holds for every backend: the fake may not lie about what a real engine does."""

import json
from dataclasses import replace

import pytest

from rdagent.errors import ImageUnavailable, RefusedError
from rdagent.jobs.logfile import RING_BYTES, tail
from rdagent.jobs.spec import JobSpec, Mount
from rdagent.jobs.supervisor import run_job
from tests.conformance.programs import MISSING

RESULTS = {"results": ("status.json",)}


@pytest.fixture(autouse=True)
def _nothing_is_left(bench):
    yield
    assert [job for job in bench.backend.found() if "conformance" in job.name] == []


def test_a_job_that_writes_its_results_is_ok(bench):
    end = bench.run("succeeds", **RESULTS)
    assert (end.outcome.reason, end.exit_code, end.tries) == ("ok", 0, 1), end.message


def test_an_exit_code_is_reported(bench):
    end = bench.run("fails")
    assert (end.outcome.reason, end.exit_code) == ("command_failed", 3)


def test_both_streams_are_in_the_log(bench):
    log = bench.run("prints").log.read_bytes()
    assert b"to stdout\n" in log
    assert b"to stderr\n" in log


def test_output_that_is_not_text_is_kept_as_it_is(bench):
    assert bench.run("prints_bytes").log.read_bytes() == b"\xff\xfeok\n"


def test_a_log_past_its_cap_keeps_its_beginning_and_its_end(bench):
    spec = bench.limited("prints_much", log_bytes=RING_BYTES * 3)
    end = run_job(bench.backend, spec, bench.folder, "conformance")
    assert end.log.stat().st_size < RING_BYTES * 3 + 100
    assert "bytes left out" in end.log.read_text()
    assert tail(end.log).rstrip().endswith("the-end")  # engines may drop the last newline


def test_a_silent_job_that_ignores_term_ends_at_its_deadline(bench):
    spec = bench.limited("is_silent_and_deaf", deadline_seconds=1)
    end = run_job(bench.backend, spec, bench.folder, "conformance")
    assert (end.outcome.reason, end.outcome.exit_code) == ("timeout", 124)


def test_a_cancelled_job_ends_and_says_so(bench, cancel_soon):
    end = bench.run("sleeps", watch=cancel_soon)
    assert (end.outcome.reason, end.outcome.exit_code) == ("cancelled", 130)


def test_what_a_cancelled_job_wrote_is_kept(bench, cancel_soon):
    end = bench.run("writes_then_sleeps", watch=cancel_soon)
    assert "ready" in tail(end.log)


def test_exit_zero_without_results_is_no_success(bench):
    assert bench.run("writes_nothing", **RESULTS).outcome.reason == "results_missing"


def test_results_that_are_cut_short_are_invalid(bench):
    assert bench.run("writes_half", **RESULTS).outcome.reason == "results_invalid"


def test_a_link_in_place_of_results_counts_as_missing(bench):
    assert bench.run("writes_a_link", **RESULTS).outcome.reason == "results_missing"


def test_a_program_that_is_not_there_is_named(bench):
    end = bench.run(MISSING)
    assert (end.outcome.reason, end.outcome.exit_code) == ("entry_not_found", 5)


def test_an_image_that_is_not_there_is_no_reason_to_pull(bench):
    with pytest.raises(ImageUnavailable, match="rdagent-nowhere"):
        bench.run("succeeds", image="rdagent-nowhere:latest")


def test_references_to_mounts_are_filled_in_everywhere(bench, tmp_path):
    source = tmp_path / "data 数据"
    source.mkdir(mode=0o755)
    mount = Mount("data", str(source), "/workspace/data")
    end = bench.run(
        "writes_words",
        mounts=(mount,),
        environment={"PLACE": "{mount:data}/x", "TOLD": "{mount:in}/told.txt"},
        files={"told.txt": "look in {mount:data}"},
        results=("words.txt",),
    )
    place, told = (end.out / "words.txt").read_text().splitlines()
    assert place == f"{bench.backend.place(mount)}/x"
    assert told == f"look in {bench.backend.place(mount)}"


def test_a_mount_whose_source_is_missing_is_refused_before_anything_starts(bench, tmp_path):
    missing = Mount("data", str(tmp_path / "nowhere"), "/workspace/data")
    with pytest.raises(RefusedError, match="nowhere"):
        bench.run("succeeds", mounts=(missing,))
    assert not (tmp_path / "nowhere").exists()


def test_every_try_has_a_folder_of_its_own(bench):
    first, second = bench.run("fails"), bench.run("fails")
    assert (first.attempt.name, second.attempt.name) == ("001", "002")


def test_the_job_is_written_down_with_its_secrets_masked(bench):
    end = bench.run("fails", environment={"HF_TOKEN": "hf_secret", "PLACE": "x"})
    written = (end.attempt / "job.json").read_text()
    assert "hf_secret" not in written
    assert "HF_TOKEN" in written


def test_scratch_is_gone_when_the_job_has_ended(bench):
    assert not (bench.run("fails").attempt / "scratch").exists()


def test_polling_sees_the_attempt_while_the_job_runs(bench, cancel_soon):
    seen = []
    cancel_soon.on_poll = seen.append
    end = bench.run("sleeps", watch=cancel_soon)
    assert set(seen) == {end.attempt}


def test_stop_kill_and_remove_are_safe_on_a_job_that_nobody_knows(bench):
    bench.backend.stop("conformance-unknown", 1)
    bench.backend.kill("conformance-unknown")
    bench.backend.remove("conformance-unknown")
    assert bench.backend.state("conformance-unknown").phase == "gone"


def test_a_job_survives_being_written_down_and_read_again(bench):
    spec = replace(bench.spec("succeeds"), mounts=(Mount("a", "/b", "/c"),), files={"x": "y"})
    assert JobSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec
