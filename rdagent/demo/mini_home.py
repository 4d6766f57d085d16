"""The demo's task: requests to small made-up homes, in HomeBench's record format.

Training rows and test items come from different homes.  One renderer makes the
prompt of both, so that what is trained is what is asked.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rdagent.demo.home_requests import RequestType, make_request
from rdagent.demo.homes import HomeSize, Record, make_home, render_home

TASK = "demo_home"
SYSTEM = (
    "You control a smart home. Use only the methods that are listed. "
    "Answer with the machine instruction in braces. "
    "Answer {error_input} when the device or the method does not exist."
)
TEST_SEED, TRAIN_SEED = 20_011, 31_337
TEST_HOMES, TRAIN_HOMES, REQUESTS_PER_HOME = 60, 800, 5
_TRAIN_HOME_IDS_FROM = 10_000
SIZE = HomeSize(rooms=(2, 2), devices=(1, 1))

_TYPES: tuple[RequestType, ...] = ("normal", "unexist_device", "unexist_attribute")
_TYPE_WEIGHTS = (12, 6, 2)


def records(
    seed: int, homes: int, first_home_id: int = 0, size: HomeSize = SIZE
) -> Iterator[tuple[Record, Record]]:
    """Yield (home, instruction record); equal arguments yield equal ones."""
    rng = random.Random(seed)
    for home_id in range(first_home_id, first_home_id + homes):
        home = make_home(rng, home_id, size)
        for number in range(REQUESTS_PER_HOME):
            kind = rng.choices(_TYPES, _TYPE_WEIGHTS)[0]
            request = make_request(rng, home, kind)
            gold = f" {request.call}" if request.call else "error_input"
            yield (
                home,
                {
                    "id": f"home{home_id}_one_{number}",
                    "input": request.sentence,
                    "output": f"'''{gold}'''",
                    "home_id": home_id,
                    "type": request.type,
                },
            )


def answer_of(record: Record) -> str:
    """Return the machine instruction that a record's gold stands for."""
    return str(record["output"]).strip("'").strip()


def render_prompt(home: Record, instruction: str) -> str:
    """Return what the model is asked: the home first, then the instruction."""
    return f"{render_home(home)}\nWhich call fits: {instruction}"


def test_items() -> Iterator[Record]:
    """Yield the test items: the record, with its prompt and its answer."""
    for home, record in records(TEST_SEED, TEST_HOMES):
        prompt = render_prompt(home, record["input"])
        yield {**record, "prompt": prompt, "answer": answer_of(record)}


def training_rows() -> Iterator[dict[str, str]]:
    """Yield the training rows in LLaMA-Factory's alpaca format."""
    for home, record in records(TRAIN_SEED, TRAIN_HOMES, _TRAIN_HOME_IDS_FROM):
        yield {
            "system": SYSTEM,
            "instruction": render_prompt(home, record["input"]),
            "input": "",
            "output": f"{{{answer_of(record)}}}",
        }


DATASET_INFO: dict[str, Any] = {
    "mini_home": {
        "file_name": "mini_home.json",
        "columns": {
            "prompt": "instruction",
            "query": "input",
            "response": "output",
            "system": "system",
        },
    }
}


def write_training_data(folder: Path) -> None:
    """Write the training data and its ``dataset_info.json``."""
    rows = list(training_rows())
    text = json.dumps(rows, ensure_ascii=False, indent=1)
    (folder / "mini_home.json").write_text(text, encoding="utf-8")
    info = json.dumps(DATASET_INFO, indent=2)
    (folder / "dataset_info.json").write_text(info, encoding="utf-8")


def test_file_text() -> str:
    """Return the content of the task's data file, which ships with the package."""
    return "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in test_items())


if __name__ == "__main__":
    (Path(__file__).parent / "task" / "test.jsonl").write_text(test_file_text(), encoding="utf-8")
