"""The name of a job's end, as a table: what outranks what."""

import pytest

from rdagent.errors import (
    AdapterInvalid,
    BuildFailed,
    DiskFull,
    EngineUnavailable,
    InfrastructureError,
    InternalError,
    JobFailed,
    ResultError,
    UsageError,
)
from rdagent.jobs.outcome import EXIT_CODES, HINTS, Evidence, Outcome, decide, reason_of_error
from rdagent.records.reasons import REASONS

DONE = {"exit_code": 0, "results": "present", "said": "ok"}


@pytest.mark.parametrize(
    ("reason", "evidence"),
    [
        ("ok", Evidence(**DONE)),
        ("ok", Evidence(exit_code=0, results="present")),
        ("results_missing", Evidence(exit_code=0)),
        ("results_invalid", Evidence(exit_code=0, results="invalid")),
        ("incomplete", Evidence(exit_code=0, results="present", said="incomplete")),
        ("out_of_memory", Evidence(exit_code=137, out_of_memory=True)),
        ("out_of_memory", Evidence(**DONE, out_of_memory=True)),
        ("out_of_memory", Evidence(exit_code=1, said="out_of_memory")),
        ("diverged", Evidence(exit_code=6, said="diverged", results="present")),
        ("command_failed", Evidence(exit_code=1)),
        ("command_failed", Evidence(exit_code=1, said="ok", results="present")),
        ("entry_not_found", Evidence(exit_code=127)),
        ("entry_not_found", Evidence(exit_code=126)),
        ("entry_not_found", Evidence(engine_error="entry_not_found")),
        ("gpu_unavailable", Evidence(engine_error="gpu_unavailable")),
        ("image_unavailable", Evidence(engine_error="image_unavailable")),
        ("disk_full", Evidence(engine_error="disk_full")),
        ("internal_error", Evidence(engine_error="other")),
        ("killed_externally", Evidence(exit_code=137)),
        ("killed_externally", Evidence(exit_code=143)),
        ("timeout", Evidence(exit_code=124)),
        ("timeout", Evidence(intent="timeout", exit_code=137, out_of_memory=True)),
        ("timeout", Evidence(intent="timeout", **DONE)),
        ("cancelled", Evidence(intent="cancelled", exit_code=143)),
        ("disk_full", Evidence(intent="disk_full", exit_code=143)),
        ("engine_restarted", Evidence(engine_restarted=True, exit_code=143)),
        ("out_of_memory", Evidence(engine_restarted=True, exit_code=137, out_of_memory=True)),
        ("command_failed", Evidence(engine_restarted=True, exit_code=1)),
        ("diverged", Evidence(engine_restarted=True, exit_code=6, said="diverged")),
        ("diverged", Evidence(engine_restarted=True, exit_code=143, said="diverged")),
        ("ok", Evidence(engine_restarted=True, **DONE)),
    ],
)
def test_evidence_leads_to_one_reason(reason, evidence):
    assert decide(evidence).reason == reason


@pytest.mark.parametrize("reason", [r for r in REASONS if r != "ok"])
def test_every_reason_but_ok_has_a_hint_and_a_failing_exit_code(reason):
    outcome = Outcome(reason)
    assert len(outcome.hint) > 20
    assert outcome.exit_code != 0
    assert not outcome.ok


def test_hints_cover_exactly_the_closed_list():
    assert set(HINTS) == set(REASONS)


def test_exit_codes_are_those_of_the_contract():
    by_code = {code: {r for r in REASONS if Outcome(r).exit_code == code} for code in (2, 5, 6, 10)}
    assert by_code[2] == {"refused"}
    assert by_code[5] == {
        "gpu_unavailable",
        "image_unavailable",
        "build_failed",
        "entry_not_found",
        "killed_externally",
        "engine_restarted",
        "disk_full",
    }
    assert by_code[10] == {"internal_error"}
    assert (EXIT_CODES["timeout"], EXIT_CODES["cancelled"]) == (124, 130)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (EngineUnavailable("no engine"), "image_unavailable"),
        (InfrastructureError("it went away"), "engine_restarted"),
        (DiskFull("full"), "disk_full"),
        (BuildFailed("no"), "build_failed"),
        (ResultError("cut short"), "results_invalid"),
        (UsageError("what"), "refused"),
        (AdapterInvalid("no"), "adapter_invalid"),
        (JobFailed("diverged", reason="diverged", exit_code=6), "diverged"),
        (InternalError("ours"), "internal_error"),
    ],
)
def test_an_error_in_place_of_a_job_has_one_word_everywhere(error, reason):
    assert reason_of_error(error) == reason
