"""The embedded default: its data come out equal, its parts fit together."""

import json
from itertools import islice

import pytest
import yaml

from rdagent.demo import mini_home, paths
from rdagent.demo.homes import devices_of, methods_of
from rdagent.demo.mixture import SHARES, conversations
from rdagent.models.digest import folder_digest
from rdagent.models.resolve import resolve_model


def test_the_shipped_test_file_is_what_its_seed_makes():
    shipped = (paths.TASK_FOLDER / "test.jsonl").read_text(encoding="utf-8")
    assert shipped == mini_home.test_file_text()


def test_there_are_enough_items_of_every_kind():
    kinds = [item["type"] for item in mini_home.test_items()]
    assert len(kinds) >= 200
    assert min(kinds.count(kind) for kind in set(kinds)) >= 8
    assert set(kinds) == {"normal", "unexist_device", "unexist_attribute"}


def test_records_have_homebenchs_keys_and_form():
    for item in mini_home.test_items():
        assert {"id", "input", "output", "home_id", "type"} <= set(item)
        gold = f" {item['answer']}" if item["type"] == "normal" else "error_input"
        assert item["output"] == f"'''{gold}'''"


def test_a_valid_request_can_be_done_and_an_invalid_one_cannot():
    for home, record in mini_home.records(5, homes=200):
        answer = mini_home.answer_of(record)
        if record["type"] == "normal":
            room, device, operation = answer.split("(")[0].split(".")
            assert operation in methods_of(home, room, device)
        else:
            assert answer == "error_input"


def test_requests_for_what_is_not_there_name_something_that_is_not_there():
    for home, record in mini_home.records(6, homes=200):
        if record["type"] == "unexist_device":
            words = record["input"].lower()
            rooms = [r for r in devices_of(home) if r.replace("_", " ") in words]
            assert not any(
                f"the {device.replace('_', ' ')} in the {room.replace('_', ' ')}" in words
                for room in rooms
                for device in devices_of(home)[room]
            )


def test_no_test_prompt_is_trained_on():
    asked = {item["prompt"] for item in mini_home.test_items()}
    assert not asked & {row["instruction"] for row in mini_home.training_rows()}


def test_pre_training_never_shows_the_tasks_form():
    for conversation in conversations(7, 3000):
        assert mini_home.SYSTEM not in [turn["content"] for turn in conversation]
        looked_up = any("<home_state>" in turn["content"] for turn in conversation)
        answers = [turn["content"] for turn in conversation if turn["role"] == "assistant"]
        assert not (looked_up and any("{" in answer for answer in answers))


def test_equal_seeds_make_equal_conversations():
    assert list(conversations(3, 50)) == list(conversations(3, 50))
    assert list(islice(conversations(3, 50), 5)) != list(islice(conversations(4, 50), 5))


def test_the_shares_of_the_mixture_make_a_whole():
    assert sum(SHARES.values()) == pytest.approx(1.0)


def test_training_and_evaluation_say_the_same_system_text():
    task = yaml.load(
        (paths.TASK_FOLDER / "demo_home.yaml")
        .read_text(encoding="utf-8")
        .replace("!function ", ""),
        yaml.SafeLoader,
    )
    assert task["description"] == mini_home.SYSTEM


def test_the_shipped_model_is_the_one_that_is_recorded(tmp_path):
    assert folder_digest(paths.MODEL, tmp_path) == paths.recorded_digest()


def test_the_shipped_model_is_small_and_half_precision_and_reaches_2048_tokens(tmp_path):
    model = resolve_model(str(paths.MODEL), tmp_path)
    assert sum(path.stat().st_size for path in paths.MODEL.iterdir()) <= 3_000_000
    assert model.context_length == 2048
    weights = (paths.MODEL / "model.safetensors").read_bytes()
    length = int.from_bytes(weights[:8], "little")
    header = json.loads(weights[8 : 8 + length])
    assert {t["dtype"] for name, t in header.items() if name != "__metadata__"} == {"BF16"}
