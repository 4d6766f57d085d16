"""Groups of variants one after the other: what each process says, and what is said of all."""

import json
import signal
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from rdagent.inside.evaluate import run
from rdagent.inside.evaluate.group import Work
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
    """Plays the processes: each says how its variants ended, and how it ended itself."""

    def __init__(
        self,
        ends: dict[str, InsideStatus | None],
        ending: Ending = WELL,
        whole: InsideStatus | None = None,
    ) -> None:
        self.ends, self.ending, self.whole = ends, ending, whole
        self.works: list[Work] = []
        self.variables: list[Mapping[str, str]] = []

    @property
    def started(self) -> list[list[str]]:
        return [[variant.name for variant in work.request.variants] for work in self.works]

    def __call__(
        self, arguments: Sequence[str], stopper: Stopper, variables: Mapping[str, str]
    ) -> Ending:
        path = Path(arguments[-1])
        work = Work.from_json(json.loads(path.read_text()))
        self.works.append(work)
        self.variables.append(variables)
        for variant in work.request.variants:
            status = self.ends[variant.name]
            if status is not None:
                (path.parent / variant.name).mkdir()
                status.write(path.parent / variant.name)
        if self.whole is not None:
            self.whole.write(path.parent)
        return self.ending


def evaluate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, children: Children, stopper: Stopper, **more
) -> InsideStatus:
    monkeypatch.setattr(run, "run_child", children)
    variants = tuple(Variant(name, more.pop(name, "/m")) for name in children.ends)
    asked = replace(request(tmp_path), variants=variants, **more)
    folders = {variant.name: run.variant_folder(tmp_path, variant) for variant in asked.variants}
    return run.evaluate(asked, folders, stopper)


def test_variants_of_one_model_share_one_process(tmp_path, monkeypatch):
    children = Children({"base": InsideStatus("ok"), "tuned": InsideStatus("ok")})
    assert evaluate(tmp_path, monkeypatch, children, Stopper()).reason == "ok"
    assert children.started == [["base", "tuned"]]


def test_another_model_has_a_process_and_a_plan_of_its_own(tmp_path, monkeypatch):
    children = Children({"base": InsideStatus("ok"), "other": InsideStatus("ok")})
    evaluate(tmp_path, monkeypatch, children, Stopper(), other="/n")
    assert children.started == [["base"], ["other"]]
    assert [work.plan for work in children.works] == [tmp_path / "plan", tmp_path / "plan" / "1"]


def test_the_combined_status_is_written(tmp_path, monkeypatch):
    children = Children({"base": InsideStatus("ok", "1 tasks scored")})
    status = evaluate(tmp_path, monkeypatch, children, Stopper())
    assert InsideStatus.read(tmp_path) == status
    assert status.parts == (PartStatus("base", "ok", "1 tasks scored"),)
    assert not (tmp_path / "groups").exists()


def test_a_variant_that_fails_does_not_take_the_others_along(tmp_path, monkeypatch):
    children = Children(
        {"a": InsideStatus("adapter_invalid", "bad"), "b": InsideStatus("ok")},
        Ending(1, "", 0),
        whole=InsideStatus("adapter_invalid", "bad"),
    )
    status = evaluate(tmp_path, monkeypatch, children, Stopper())
    assert [part.reason for part in status.parts] == ["adapter_invalid", "ok"]
    assert status.reason == "incomplete"


def test_what_had_ended_before_the_process_died_stays_ended(tmp_path, monkeypatch):
    children = Children({"a": InsideStatus("ok"), "b": None}, Ending(-signal.SIGKILL, "", 0))
    status = evaluate(tmp_path, monkeypatch, children, Stopper())
    assert [part.reason for part in status.parts] == ["ok", "killed_externally"]


def test_what_kept_all_from_starting_is_said_of_each(tmp_path, monkeypatch):
    whole = InsideStatus("gpu_unavailable", "torch sees none")
    children = Children({"a": None, "b": None}, Ending(1, "", 0), whole)
    status = evaluate(tmp_path, monkeypatch, children, Stopper())
    assert {(part.reason, part.message) for part in status.parts} == {
        ("gpu_unavailable", "torch sees none")
    }


def test_a_refused_request_is_not_tried_again(tmp_path, monkeypatch):
    refused = InsideStatus("refused", "Task 'xyz' not found")
    children = Children({"a": None, "b": InsideStatus("ok")}, Ending(1, "", 0), refused)
    status = evaluate(tmp_path, monkeypatch, children, Stopper(), b="/n")
    assert children.started == [["a"]]
    assert (status.reason, status.message) == ("refused", "Task 'xyz' not found")


def test_nothing_starts_after_a_request_to_stop(tmp_path, monkeypatch):
    stopper = Stopper()
    stopper.requested = True
    children = Children({"a": InsideStatus("ok")})
    assert evaluate(tmp_path, monkeypatch, children, stopper).reason == "cancelled"
    assert children.started == []


def test_what_an_earlier_run_left_is_removed(tmp_path, monkeypatch):
    folder = tmp_path / "variants" / "a"
    folder.mkdir(parents=True)
    for name in ("results.json", "samples_old.jsonl", "ledger.jsonl", "ledger.1.jsonl"):
        (folder / name).write_text("{}")
    evaluate(tmp_path, monkeypatch, Children({"a": None}, Ending(1, "", 0)), Stopper())
    assert list(folder.iterdir()) == []


def test_shards_answer_side_by_side_with_a_gpu_each_and_one_process_scores(tmp_path, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    children = Children({"a": InsideStatus("ok")})
    told = {"shards": 2, "num_gpus": 4}
    assert evaluate(tmp_path, monkeypatch, children, Stopper(), **told).reason == "ok"
    stages = sorted((w.request.stage, w.shard and w.shard.number) for w in children.works[:2])
    assert stages == [("infer", 0), ("infer", 1)]
    assert (children.works[2].request.stage, children.works[2].shard) == ("score", None)
    devices = sorted(told.get("CUDA_VISIBLE_DEVICES", "") for told in children.variables)
    assert devices == ["", "0,1", "2,3"]


def test_a_variant_that_a_shard_could_not_answer_is_not_scored(tmp_path, monkeypatch):
    ends = {"a": InsideStatus("adapter_invalid", "bad"), "b": InsideStatus("ok")}
    children = Children(ends, Ending(1, "", 0), InsideStatus("adapter_invalid", "bad"))
    status = evaluate(tmp_path, monkeypatch, children, Stopper(), shards=2)
    assert children.started[2] == ["b"]
    assert {part.name: part.reason for part in status.parts} == {
        "a": "adapter_invalid",
        "b": "ok",
    }


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
    (tmp_path / "a").mkdir()
    for folder in (tmp_path, tmp_path / "a"):
        InsideStatus("ok").write(folder)
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

    def child(
        arguments: Sequence[str], stopper: Stopper, variables: Mapping[str, str] | None = None
    ) -> Ending:
        program = arguments[2].rpartition(".")[2]
        started.append(program)
        if program == "merge":
            merged.mkdir(parents=True)
        status = ends[program]
        place = Path(arguments[-1]).parent
        status.write(place)
        if program == "group":
            (place / "dora").mkdir(exist_ok=True)
            status.write(place / "dora")
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
    ends = {"merge": InsideStatus("ok"), "group": InsideStatus("ok")}
    status, started = run_merging(tmp_path, monkeypatch, ends)
    assert (status.reason, started) == ("ok", ["merge", "group"])


def test_a_merge_that_fails_ends_its_variant_with_its_own_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = {"merge": InsideStatus("disk_full", "no room"), "group": InsideStatus("ok")}
    status, started = run_merging(tmp_path, monkeypatch, ends)
    assert (status.reason, started) == ("disk_full", ["merge"])
    assert "no room" in status.message


def test_a_merge_that_died_silently_is_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "run_child", lambda *_: Ending(-9, "", 0))
    asked = merging(tmp_path)
    status = run.evaluate(
        asked, {"dora": run.variant_folder(tmp_path, asked.variants[0])}, Stopper()
    )
    assert status.reason == "killed_externally"


def test_a_request_says_who_is_merged_and_keeps_it_through_json(tmp_path: Path) -> None:
    asked = merging(tmp_path)
    assert EvaluateRequest.from_json(json.loads(json.dumps(asked.to_json()))) == asked
