"""What is said of the rows and columns of a data set before anything starts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rdagent.errors import RefusedError
from rdagent.training.columns import reading_of
from rdagent.training.rows import RowReport, look_at, overlap

GOOD = {"instruction": "on", "input": "", "output": "{on}"}


def alpaca(count: int) -> list[dict[str, Any]]:
    return [{**GOOD, "instruction": f"on {number}"} for number in range(count)]


def chat(*roles: str) -> dict[str, Any]:
    return {"conversations": [{"from": role, "value": "x"} for role in roles]}


def look(
    folder: Path, rows: Any, entry: dict[str, Any] | None = None, stage: str = "sft", **file: str
) -> RowReport:
    path = folder / file.get("name", "homes.json")
    text = rows if isinstance(rows, str) else json.dumps(rows)
    path.write_text(text, encoding="utf-8")
    return look_at(reading_of("homes", entry or {}, stage), [path], stage)


def refusal(folder: Path, rows: Any, entry: dict[str, Any] | None = None, **given: Any) -> str:
    with pytest.raises(RefusedError) as found:
        look(folder, rows, entry, **given)
    return str(found.value)


@pytest.mark.parametrize("missing", ["response", "prompt"])
def test_a_partial_list_of_columns_is_refused_with_the_name_it_had_without(
    tmp_path: Path, missing: str
) -> None:
    names = {"prompt": "instruction", "response": "output"}
    entry = {"columns": {key: name for key, name in names.items() if key != missing}}
    said = refusal(tmp_path, [GOOD], entry)
    assert f"lists columns without '{missing}'" in said
    assert f'without columns it is "{names[missing]}"' in said
    assert "LLaMA-Factory has no defaults" in said


@pytest.mark.parametrize("missing", ["role_tag", "content_tag", "user_tag", "assistant_tag"])
def test_a_partial_list_of_tags_is_refused(tmp_path: Path, missing: str) -> None:
    tags = {"role_tag": "role", "content_tag": "text", "user_tag": "u", "assistant_tag": "a"}
    del tags[missing]
    said = refusal(tmp_path, [chat("u", "a")], {"formatting": "sharegpt", "tags": tags})
    assert f"lists tags without '{missing}'" in said


def test_a_column_that_no_row_has_is_refused_with_columns_that_would_do(tmp_path: Path) -> None:
    said = refusal(tmp_path, [{"instruction": "on", "output": "{on}"}])
    assert "no row of the data set homes has the column 'input'" in said
    assert '{"prompt": "instruction", "response": "output"}' in said


def test_a_misspelt_column_is_refused_with_the_near_one(tmp_path: Path) -> None:
    entry = {"columns": {"prompt": "instruction", "response": "outptu"}}
    assert "did you mean output?" in refusal(tmp_path, [GOOD], entry)


@pytest.mark.parametrize(
    ("entry", "near"),
    [
        ({"formating": "sharegpt"}, "formatting"),
        ({"columns": {"prompt": "a", "responses": "b"}}, "response"),
        ({"formatting": "sharegpt", "tags": {"user_tags": "u"}}, "user_tag"),
    ],
)
def test_a_misspelt_word_of_the_description_is_refused(
    tmp_path: Path, entry: dict[str, Any], near: str
) -> None:
    assert f"Did you mean {near}?" in refusal(tmp_path, [GOOD], entry)


def test_a_comment_in_the_description_is_left_alone(tmp_path: Path) -> None:
    report = look(tmp_path, [GOOD], {"_comment": "made by hand", "author": "me"})
    assert (report.rows, report.bad) == (1, {})


def test_a_line_that_is_not_json_is_named_by_its_number(tmp_path: Path) -> None:
    lines = [json.dumps(GOOD), "", '{"instruction": ', json.dumps(GOOD)]
    assert "line 3" in refusal(tmp_path, "\n".join(lines), name="homes.jsonl")


def test_a_line_that_is_no_object_is_named(tmp_path: Path) -> None:
    assert "line 2 is list" in refusal(tmp_path, f"{json.dumps(GOOD)}\n[1]", name="homes.jsonl")


@pytest.mark.parametrize("name", ["homes.json", "homes.jsonl"])
def test_lines_are_read_from_a_file_of_either_name(tmp_path: Path, name: str) -> None:
    text = "\n".join(json.dumps(row) for row in alpaca(3))
    assert look(tmp_path, text, name=name).rows == 3


def test_text_outside_ascii_and_line_separators_in_values_do_not_split_lines(
    tmp_path: Path,
) -> None:
    text = json.dumps({**GOOD, "output": "开灯\u2028x"}, ensure_ascii=False)
    assert look(tmp_path, f"{text}\n{text}\n", name="homes.jsonl").rows == 2


def test_a_table_with_commas_is_read(tmp_path: Path) -> None:
    assert look(tmp_path, 'instruction,input,output\non,,"a,b"\n', name="homes.csv").rows == 1


def test_a_file_of_another_kind_is_left_to_the_job_and_said(tmp_path: Path) -> None:
    (note,) = look(tmp_path, "PAR1", name="homes.parquet").notes()
    assert "homes.parquet is looked at in the job only" in note


def test_a_list_without_rows_is_refused(tmp_path: Path) -> None:
    assert "has no rows" in refusal(tmp_path, [])


@pytest.mark.parametrize("answer", [None, 7, ["x"]])
def test_up_to_five_of_a_hundred_rows_without_an_answer_are_a_note(
    tmp_path: Path, answer: Any
) -> None:
    rows = [*alpaca(95), *[{**GOOD, "output": answer}] * 5]
    assert "5 of 100 rows have no text as 'output', row 96 first" in " ".join(
        look(tmp_path, rows).notes()
    )


def test_more_rows_without_an_answer_are_refused_with_the_first(tmp_path: Path) -> None:
    rows = [*alpaca(94), *[{**GOOD, "output": None}] * 6]
    assert "6 of 100 rows" in refusal(tmp_path, rows)
    assert "row 95 first" in refusal(tmp_path, rows)


@pytest.mark.parametrize(
    ("roles", "why"),
    [
        (("gpt", "human"), "have 'gpt' where 'human' is expected"),
        (("user", "assistant"), "have 'user' where 'human' is expected"),
        (("human", "human"), "have 'human' where 'gpt' is expected"),
        (("human",), "end with a question"),
        ((), "have no messages"),
    ],
)
def test_roles_that_llama_factory_drops_are_refused(
    tmp_path: Path, roles: tuple[str, ...], why: str
) -> None:
    assert why in refusal(tmp_path, [chat(*roles)], {"formatting": "sharegpt"})


@pytest.mark.parametrize(
    "roles",
    [
        ("human", "gpt"),
        ("system", "human", "gpt"),
        ("human", "function_call", "observation", "gpt"),
    ],
)
def test_roles_that_llama_factory_takes_are_taken(tmp_path: Path, roles: tuple[str, ...]) -> None:
    assert not look(tmp_path, [chat(*roles)], {"formatting": "sharegpt"}).bad


@pytest.mark.parametrize(("ranking", "stage"), [(True, "sft"), (False, "dpo"), (True, "kto")])
def test_data_for_another_stage_is_refused(tmp_path: Path, ranking: bool, stage: str) -> None:
    assert f"cannot be used in the stage {stage}" in refusal(
        tmp_path, [GOOD], {"ranking": ranking}, stage=stage
    )


def test_the_stage_kto_needs_its_tag(tmp_path: Path) -> None:
    assert "kto_tag" in refusal(tmp_path, [GOOD], stage="kto")


@pytest.mark.parametrize("given", [0, -1, "10", 1.5, True])
def test_a_number_of_samples_that_is_none_is_refused(tmp_path: Path, given: Any) -> None:
    assert "num_samples" in refusal(tmp_path, [GOOD], {"num_samples": given})


def test_rows_that_stand_twice_are_counted(tmp_path: Path) -> None:
    assert "2 of 5 rows stand twice" in " ".join(look(tmp_path, [*alpaca(3), *alpaca(2)]).notes())


def test_rows_that_stand_in_both_data_sets_are_counted(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    both = look(tmp_path, alpaca(5)), look(tmp_path / "a", [*alpaca(2), GOOD])
    assert overlap(*both) == 2
