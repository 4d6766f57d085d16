"""What the host says of data, against what LLaMA-Factory does with it in the image."""

import json
from pathlib import Path
from typing import Any

import pytest

import docker
from rdagent.demo import paths
from rdagent.errors import UsageError
from rdagent.training.config import read_config
from rdagent.training.datasets import find_datasets

pytestmark = [pytest.mark.engine, pytest.mark.images]

ALPACA = [{"instruction": f"turn on {n}", "input": "", "output": f"{{on {n}}}"} for n in range(40)]
CHAT = [
    {"conversations": [{"from": "human", "value": f"on {n}"}, {"from": "gpt", "value": "{on}"}]}
    for n in range(40)
]
PAIRS = [{**row, "good": row["output"], "bad": "no"} for row in ALPACA]
Case = tuple[dict[str, Any], list[Any], dict[str, Any]]


def without(rows: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name != key} for row in rows]


GOOD: dict[str, Case] = {
    "alpaca": ({}, ALPACA, {}),
    "all columns named": (
        {"columns": {"prompt": "q", "response": "a"}},
        [{"q": "on", "a": "{on}"}] * 40,
        {},
    ),
    "a column named, the rest not there": (
        {"columns": {"prompt": "instruction", "response": "output"}},
        without(ALPACA, "input"),
        {},
    ),
    "some rows lack the input": ({}, [*ALPACA, *without(ALPACA, "input")], {}),
    "chat": ({"formatting": "sharegpt"}, CHAT, {}),
    "one bad row of forty": ({}, [*ALPACA[1:], {**ALPACA[0], "output": None}], {}),
    "pairs": (
        {
            "ranking": True,
            "columns": {"prompt": "instruction", "chosen": "good", "rejected": "bad"},
        },
        PAIRS,
        {"stage": "dpo"},
    ),
}
BAD: dict[str, Case] = {
    "no column for the answer": ({"columns": {"prompt": "instruction"}}, ALPACA, {}),
    "no input, and none said": ({}, without(ALPACA, "input"), {}),
    "a misnamed column": ({"columns": {"prompt": "instruction", "response": "out"}}, ALPACA, {}),
    "no answers": ({}, [{**row, "output": None} for row in ALPACA], {}),
    "numbers as answers": ({}, [{**row, "output": 7} for row in ALPACA], {}),
    "a tenth without an answer": (
        {},
        [{**row, "output": None if n % 10 == 0 else "x"} for n, row in enumerate(ALPACA)],
        {},
    ),
    "chat read as alpaca": ({}, CHAT, {}),
    "roles of another format": (
        {"formatting": "sharegpt"},
        [{"conversations": [{"from": "user", "value": "on"}, {"from": "assistant", "value": "x"}]}]
        * 40,
        {},
    ),
    "tags with a part of them": (
        {"formatting": "sharegpt", "tags": {"user_tag": "user", "assistant_tag": "assistant"}},
        [{"conversations": [{"from": "user", "value": "on"}, {"from": "assistant", "value": "x"}]}]
        * 40,
        {},
    ),
    "the assistant first": (
        {"formatting": "sharegpt"},
        [{"conversations": row["conversations"][::-1]} for row in CHAT],
        {},
    ),
    "a question at the end": (
        {"formatting": "sharegpt"},
        [{"conversations": row["conversations"][:1]} for row in CHAT],
        {},
    ),
    "single answers to compare": ({}, ALPACA, {"stage": "dpo"}),
    "pairs to imitate": ({"ranking": True}, PAIRS, {"stage": "sft"}),
    "half a row": ({}, ["{"], {}),
}
_ASK = """
import contextlib, json, sys
from pathlib import Path
with contextlib.redirect_stdout(sys.stderr):
    from rdagent.errors import RDAgentError
    from rdagent.inside.train.preflight import examine
    Path("/tmp/out").mkdir()
    said = {}
    for folder in sorted(Path("/cases").iterdir()):
        values = json.loads((folder / "train.json").read_text())
        values |= {"model_name_or_path": "/model", "dataset_dir": str(folder)}
        try:
            examine(values, Path("/tmp/out"))
        except RDAgentError as error:
            said[folder.name] = str(error)
        else:
            said[folder.name] = None
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def folder(place: Path) -> Path:
    root = place / "cases"
    for name, (entry, rows, values) in {**GOOD, **BAD}.items():
        case = root / name
        case.mkdir(parents=True)
        info = {"homes": {"file_name": "homes.json", **entry}}
        (case / "dataset_info.json").write_text(json.dumps(info))
        text = rows[0] if isinstance(rows[0], str) else json.dumps(rows)
        (case / "homes.json").write_text(text)
        settings = {
            "do_train": True,
            "dataset": "homes",
            "dataset_dir": ".",
            "stage": "sft",
            "output_dir": "/tmp/adapter",
            "report_to": "none",
            **values,
        }
        (case / "train.json").write_text(json.dumps(settings))
    return root


@pytest.fixture(scope="module")
def said(images: dict[str, str], folder: Path) -> dict[str, str | None]:
    """What the job's own look at the data says of every case; None where it trains."""
    mounts = {str(folder): "/cases", str(paths.MODEL): "/model"}
    output = docker.from_env().containers.run(
        images["train"],
        ["-c", _ASK],
        entrypoint="python",
        volumes={host: {"bind": inside, "mode": "ro"} for host, inside in mounts.items()},
        environment={"HF_HUB_OFFLINE": "1"},
        network_mode="none",
        remove=True,
        stderr=False,
    )
    return json.loads(output)


def refusal(case: Path) -> str | None:
    try:
        find_datasets(read_config(case / "train.json"))
    except UsageError as error:
        return error.message
    return None


@pytest.mark.parametrize("name", GOOD)
def test_data_that_llama_factory_trains_on_is_accepted(name, said, folder):
    assert said[name] is None
    assert refusal(folder / name) is None


@pytest.mark.parametrize("name", BAD)
def test_data_that_the_host_refuses_ends_the_job_before_the_model_too(name, said, folder):
    assert said[name] is not None
    assert refusal(folder / name) is not None
