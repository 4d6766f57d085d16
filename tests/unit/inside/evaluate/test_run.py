"""Variants one after the other: what each part says, and what is said of all."""

import json
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from rdagent.inside.evaluate import run
from rdagent.inside.evaluate.processes import Ending, Stopper
from rdagent.records.reasons import Reason
from rdagent.records.requests import EvaluateRequest, Variant
from rdagent.records.status import InsideStatus, PartStatus

WELL = Ending(0, "", 0)


def request(output: Path, *names: str) -> EvaluateRequest:
    return EvaluateRequest(
        variants=tuple(Variant(name, "/m") for name in names),
        tasks=("t",),
        output=str(output),
        engine="hf",
    )


class Children:
    """Plays the child: writes a status into the folder of its request, or nothing."""

    def __init__(self, statuses: dict[str, InsideStatus | None], ending: Ending = WELL) -> None:
        self.statuses = statuses
        self.ending = ending
        self.started: list[str] = []

    def __call__(self, arguments: Sequence[str], stopper: Stopper) -> Ending:
        folder = Path(arguments[-1]).parent
        self.started.append(folder.name)
        status = self.statuses[folder.name]
        if status is not None:
            status.write(folder)
        return self.ending


def evaluate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, children: Children, stopper: Stopper
) -> InsideStatus:
    monkeypatch.setattr(run, "run_child", children)
    asked = request(tmp_path, *children.statuses)
    folders = {variant.name: run.variant_folder(tmp_path, variant) for variant in asked.variants}
    return run.evaluate(asked, folders, stopper)


def test_all_well_is_ok(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    children = Children({"base": InsideStatus("ok"), "tuned": InsideStatus("ok")})
    assert evaluate(tmp_path, monkeypatch, children, Stopper()).reason == "ok"


def test_the_combined_status_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    children = Children({"base": InsideStatus("ok", "1 tasks scored")})
    status = evaluate(tmp_path, monkeypatch, children, Stopper())
    assert InsideStatus.read(tmp_path) == status
    assert status.parts == (PartStatus("base", "ok", "1 tasks scored"),)


def test_a_variant_that_fails_does_not_stop_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    children = Children({"a": InsideStatus("adapter_invalid", "bad"), "b": InsideStatus("ok")})
    status = evaluate(tmp_path, monkeypatch, children, Stopper())
    assert children.started == ["a", "b"]
    assert status.reason == "incomplete"


def test_a_refused_request_is_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = InsideStatus("refused", "Task 'xyz' not found")
    children = Children({"a": refused, "b": InsideStatus("ok")})
    status = evaluate(tmp_path, monkeypatch, children, Stopper())
    assert children.started == ["a"]
    assert (status.reason, status.message) == ("refused", "Task 'xyz' not found")


def test_nothing_starts_after_a_request_to_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopper = Stopper()
    stopper.requested = True
    children = Children({"a": InsideStatus("ok")})
    assert evaluate(tmp_path, monkeypatch, children, stopper).reason == "cancelled"
    assert children.started == []


def test_what_an_earlier_run_left_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "variants" / "a"
    folder.mkdir(parents=True)
    for name in ("results.json", "samples_old.jsonl", "status.json"):
        (folder / name).write_text("{}")
    children = Children({"a": None}, Ending(1, "", 0))
    evaluate(tmp_path, monkeypatch, children, Stopper())
    assert [path.name for path in folder.iterdir()] == ["request.json"]


def test_a_child_is_told_of_its_own_variant_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    children = Children({"a": InsideStatus("ok"), "b": InsideStatus("ok")})
    evaluate(tmp_path, monkeypatch, children, Stopper())
    text = (tmp_path / "variants" / "b" / "request.json").read_text()
    assert '"name": "b"' in text
    assert '"name": "a"' not in text


def test_a_silent_child_that_failed_names_its_last_error(tmp_path: Path) -> None:
    ending = Ending(1, "noise\nValueError: no room\nmore noise\n", 0)
    part = run.part_status("a", tmp_path, ending, stopped=False)
    assert part.reason == "command_failed"
    assert "ValueError: no room" in part.message


def test_a_kill_for_memory_is_out_of_memory(tmp_path: Path) -> None:
    ending = Ending(-signal.SIGKILL, "", 1)
    assert run.part_status("a", tmp_path, ending, stopped=False).reason == "out_of_memory"


def test_a_kill_from_outside_is_not_out_of_memory(tmp_path: Path) -> None:
    ending = Ending(-signal.SIGKILL, "", 0)
    assert run.part_status("a", tmp_path, ending, stopped=False).reason == "killed_externally"


def test_an_ok_that_the_exit_code_denies_is_not_ok(tmp_path: Path) -> None:
    InsideStatus("ok").write(tmp_path)
    assert run.part_status("a", tmp_path, Ending(3, "", 0), stopped=False).reason != "ok"


def test_what_we_stopped_is_cancelled(tmp_path: Path) -> None:
    ending = Ending(-signal.SIGTERM, "", 0)
    assert run.part_status("a", tmp_path, ending, stopped=True).reason == "cancelled"


@pytest.mark.parametrize("reason", ["out_of_memory", "command_failed"])
def test_when_nothing_is_scored_the_first_failure_is_the_reason(reason: Reason) -> None:
    parts = [PartStatus("a", reason, "x"), PartStatus("b", "adapter_invalid", "y")]
    assert run.summarise(parts).reason == reason


def merging(tmp_path: Path) -> EvaluateRequest:
    variant = Variant("dora", "/m", "/a", merge=True)
    return EvaluateRequest(variants=(variant,), tasks=("t",), output=str(tmp_path), engine="vllm")


def run_merging(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ends: dict[str, InsideStatus]
) -> tuple[InsideStatus, list[str]]:
    started: list[str] = []
    merged = tmp_path / "scratch" / "merged" / "dora"

    def child(arguments: Sequence[str], stopper: Stopper) -> Ending:
        program = arguments[2].rpartition(".")[2]
        started.append(program)
        if program == "merge":
            merged.mkdir(parents=True)
        status = ends[program]
        status.write(Path(arguments[-1]).parent)
        return WELL if status.reason == "ok" else Ending(1, "", 0)

    monkeypatch.setattr(run, "run_child", child)
    monkeypatch.setenv("RDAGENT_SCRATCH", str(tmp_path / "scratch"))
    asked = merging(tmp_path)
    status = run.evaluate(
        asked, {"dora": run.variant_folder(tmp_path, asked.variants[0])}, Stopper()
    )
    assert not merged.exists(), "the merged model is taken away, whatever happens"
    return status, started


def test_a_variant_is_merged_before_it_is_evaluated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = {"merge": InsideStatus("ok"), "variant": InsideStatus("ok")}
    status, started = run_merging(tmp_path, monkeypatch, ends)
    assert (status.reason, started) == ("ok", ["merge", "variant"])


def test_a_merge_that_fails_ends_its_variant_with_its_own_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = {"merge": InsideStatus("disk_full", "no room"), "variant": InsideStatus("ok")}
    status, started = run_merging(tmp_path, monkeypatch, ends)
    assert (status.reason, started) == ("disk_full", ["merge"])
    assert "no room" in status.message


def test_a_merge_that_died_silently_is_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "run_child", lambda arguments, stopper: Ending(-9, "", 0))
    asked = merging(tmp_path)
    status = run.evaluate(
        asked, {"dora": run.variant_folder(tmp_path, asked.variants[0])}, Stopper()
    )
    assert status.reason == "killed_externally"


def test_a_request_says_who_is_merged_and_keeps_it_through_json(tmp_path: Path) -> None:
    asked = merging(tmp_path)
    assert EvaluateRequest.from_json(json.loads(json.dumps(asked.to_json()))) == asked
