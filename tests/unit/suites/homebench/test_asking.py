"""Which records are asked, and how their answers come back."""

import json
from collections import Counter
from dataclasses import replace

import pytest

from rdagent.errors import ResultError, UsageError
from rdagent.suites.homebench import running
from rdagent.suites.homebench.asking import Asking, lines, select
from rdagent.suites.homebench.data.generate import Plan, generate, write
from rdagent.suites.homebench.names import model_name
from rdagent.suites.homebench.suite import retrieved, task_of


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("homebench")
    write(generate(Plan(homes=12, records=240, seed=3)), folder)
    return folder


def documents(asking):
    asked, asking = retrieved(select(asking), asking)
    return [json.loads(line) for line in lines(asked, asking)]


def test_records_come_home_by_home_each_with_its_prompt_and_answer(data):
    rows = documents(Asking(data=data))
    homes = [row["home_id"] for row in rows]
    assert homes == sorted(homes)
    assert all(row["prompt"].endswith(" ".join(row["input"].split())) for row in rows)
    assert all(row["answer"].startswith("{") for row in rows)
    assert len({row["id"] for row in rows}) == len(rows)


def test_few_shot_examples_are_of_training_and_the_same_for_all(data):
    asking = Asking(mode="few-shot", data=data, shots=3)
    asked = select(asking)
    train = {
        record.id for record in select(replace(asking, mode="zero-shot", split="train")).records
    }
    assert len(asked.shots) == 3
    assert all(shot.record.id in train for shot in asked.shots)
    assert all("Examples" in row["prompt"] for row in documents(asking))


def test_retrieval_shows_fewer_rooms_and_names_the_others(data):
    whole = {row["id"]: row["prompt"] for row in documents(Asking(data=data))}
    rag = documents(Asking(mode="rag", data=data, retriever="oracle"))
    shorter = [row for row in rag if len(row["prompt"]) < len(whole[row["id"]])]
    assert len(shorter) > len(rag) / 2
    assert all("Not shown, but in the home" in row["prompt"] for row in shorter)


@pytest.mark.parametrize("limit", [1, 3, 5, 6, 11, 17])
def test_a_stratified_limit_takes_that_many_and_all_categories_if_it_can(data, limit):
    records = select(Asking(data=data, limit=limit, stratified=True)).records
    assert len(records) == limit
    assert len({record.category for record in records}) == min(limit, 5)


def test_a_stratified_limit_keeps_shares_and_draws_the_same_again(data):
    asking = Asking(data=data, split="train", limit=50, stratified=True)
    records = select(asking).records
    assert set(Counter(record.category for record in records).values()) == {10}
    assert select(asking).records == records
    assert select(replace(asking, seed=2)).records != records


def test_a_plain_limit_takes_the_first(data):
    first = {record.id for record in select(Asking(data=data, limit=4)).records}
    path = data / "test_data.jsonl"
    assert first == {json.loads(line)["id"] for line in path.read_text().splitlines()[:4]}


def test_a_limit_of_none_is_refused(data):
    with pytest.raises(UsageError, match="--limit 0"):
        select(Asking(data=data, limit=0))


def test_records_of_homes_that_are_not_there_are_refused(data, tmp_path):
    for path in data.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    homes = tmp_path / "home_status_method.jsonl"
    homes.write_text("".join(homes.read_text().splitlines(keepends=True)[:1]))
    with pytest.raises(UsageError, match="not among the homes"):
        select(Asking(data=tmp_path))


def test_equal_askings_are_one_task_and_another_seed_another(data, tmp_path, monkeypatch):
    from rdagent.evaluation.suite_tasks import materialise

    monkeypatch.setenv("FT_FILE_PATH", str(tmp_path))
    few = Asking(mode="few-shot", data=data, shots=2)

    def folder(asking):
        return materialise(task_of(select(asking), asking))

    assert folder(few) == folder(few)
    assert folder(few) != folder(replace(few, shots=3))


class Variant:
    """Stands for a variant's result: its folder holds the samples."""

    def __init__(self, folder, rows):
        self.folder, self.rates, self.notes = folder, {}, ()
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / "samples_homebench_zero_shot.jsonl").write_text(text)


def samples(asked):
    return [{"doc": {"id": r.id}, "resps": [[f"answer to {r.id}"]]} for r in asked.records]


def answers(tmp_path, asked, rows):
    return running.answers_of(Variant(tmp_path, rows), "homebench_zero_shot", asked)


def test_answers_are_joined_by_id_whatever_their_order(data, tmp_path):
    asked = select(Asking(data=data, limit=6))
    found = answers(tmp_path, asked, samples(asked)[::-1])
    assert found == {record.id: f"answer to {record.id}" for record in asked.records}
    out = tmp_path / "out" / "x.json"
    running.write_answers(out, asked, found)
    rows = json.loads(out.read_text())
    assert [row["id"] for row in rows] == [record.id for record in asked.records]
    assert all(row["prediction"] == f"answer to {row['id']}" for row in rows)


def test_a_missing_a_strange_and_a_double_answer_are_refused(data, tmp_path):
    asked = select(Asking(data=data, limit=6))
    rows = samples(asked)
    with pytest.raises(ResultError, match="1 records have no answer"):
        answers(tmp_path, asked, rows[1:])
    with pytest.raises(ResultError, match="1 answers no record"):
        answers(tmp_path, asked, [*rows, {"doc": {"id": "x"}, "resps": [["a"]]}])
    with pytest.raises(ResultError, match="answered twice"):
        answers(tmp_path, asked, [*rows, rows[0]])
    with pytest.raises(ResultError, match="no answer to a record"):
        answers(tmp_path, asked, [*rows, {"doc": {}}])


def test_few_closed_braces_and_cut_prompts_are_alarms(data, tmp_path):
    variant = Variant(tmp_path, [])
    assert running.alarms(variant, "t", 1.0) == []
    variant.rates = {"t": {"prompt_cut": 3}}
    variant.notes = ("the adapter changes nothing",)
    assert len(running.alarms(variant, "t", 0.5)) == 3


def test_a_tuned_model_without_its_adapter_is_an_error(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="model_output/qwen"):
        running.find_model("qwen", tuned=True)
    (tmp_path / "model_output" / "qwen").mkdir(parents=True)
    assert running.find_model("qwen", tuned=True).tuned
    assert not running.find_model("qwen", tuned=False).tuned


def test_files_are_named_as_the_benchmarks_are():
    qwen = model_name("qwen")
    assert (
        str(qwen.result_file("zero-shot", tuned=False)) == "output/qwen_zero_shot_test_result.json"
    )
    assert str(qwen.result_file("zero-shot", tuned=True)) == (
        "output/qwen_sft_zero_shot_test_result.json"
    )
    assert str(qwen.result_file("rag", tuned=False)) == "output/qwen_rag_test_result.json"
    assert qwen.model == "Qwen/Qwen2.5-7B-Instruct"
    assert model_name("some/Own-Model").short == "Own-Model"


def test_a_comparison_takes_the_metric_that_a_run_is_told():
    from rdagent.evaluation.primary import candidates
    from rdagent.suites.homebench import suite

    assert all(tuple(candidates(name)) == (suite.PRIMARY,) for name in suite.TASKS)
