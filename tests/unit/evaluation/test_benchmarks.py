"""Data of users' files in the benchmarks folder, and what is said when they are missing."""

import gzip
import json
from pathlib import Path

import pytest

from rdagent.errors import RefusedError, ResultError
from rdagent.evaluation.benchmark_needs import check_data
from rdagent.evaluation.benchmarks import all_of, damage, find, published
from rdagent.evaluation.benchmarks_add import Added, AddRequest, add
from rdagent.evaluation.tasks import resolve_tasks
from rdagent.records.benchmarks import DataSet, source_of


@pytest.fixture(autouse=True)
def _cache(monkeypatch, tmp_path):
    monkeypatch.setenv("RDAGENT_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "benchmarks 数据"


def lines(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path


def row(question: str = "1 + 1?") -> dict[str, str]:
    return {"question": question, "answer": "#### 2"}


def added(folder: Path, path: Path, *, role: str = "test", replace: bool = False) -> Added:
    return add(AddRequest("gsm8k", {role: path}, {}, replace=replace), folder)


def checked(folder: Path, *names: str, shots: int | None = None):
    return check_data(resolve_tasks(names), folder, shots)


def test_a_file_becomes_a_split_of_the_tasks_own_data_set(folder, tmp_path):
    found = added(folder, lines(tmp_path / "a.jsonl", row(), row("2 + 0?")))
    assert found.folder == folder / "openai--gsm8k" / "main"
    split = found.data_set.splits["test"]
    assert (split.rows, split.columns) == (2, ("question", "answer"))
    assert (found.folder / split.file).read_bytes() == (tmp_path / "a.jsonl").read_bytes()


def test_what_was_added_is_read_back_as_it_was(folder, tmp_path):
    found = added(folder, lines(tmp_path / "a.jsonl", row()))
    assert find(folder, found.data_set.source) == found.data_set


def test_a_split_that_is_added_later_joins_those_that_are_there(folder, tmp_path):
    added(folder, lines(tmp_path / "a.jsonl", row()))
    found = added(folder, lines(tmp_path / "b.jsonl", row()), role="train")
    assert set(found.data_set.splits) == {"test", "train"}
    assert damage(found.folder, found.data_set) is None


def test_other_data_are_not_put_over_those_that_are_there_unless_asked(folder, tmp_path):
    before = added(folder, lines(tmp_path / "a.jsonl", row()))
    other = lines(tmp_path / "b.jsonl", row("other"))
    with pytest.raises(RefusedError, match="already"):
        added(folder, other)
    assert find(folder, before.data_set.source) == before.data_set
    after = added(folder, other, replace=True)
    assert after.data_set.digest != before.data_set.digest


def test_replacing_one_split_keeps_the_others(folder, tmp_path):
    added(folder, lines(tmp_path / "a.jsonl", row()))
    added(folder, lines(tmp_path / "t.jsonl", row("train")), role="train")
    after = added(folder, lines(tmp_path / "b.jsonl", row("other")), replace=True)
    assert set(after.data_set.splits) == {"test", "train"}


def test_the_same_file_may_be_added_twice(folder, tmp_path):
    first = added(folder, lines(tmp_path / "a.jsonl", row()))
    again = added(folder, tmp_path / "a.jsonl")
    assert again.data_set.digest == first.data_set.digest


def test_what_still_lacks_is_said(folder, tmp_path):
    (note,) = added(folder, lines(tmp_path / "a.jsonl", row())).notes
    assert "still lacking: train" in note
    assert "draws 5 examples from 'train'" in note


def test_packed_files_and_json_lists_are_kept_as_lines(folder, tmp_path):
    packed = tmp_path / "a.jsonl.gz"
    packed.write_bytes(gzip.compress(json.dumps(row()).encode()))
    listed = tmp_path / "b.json"
    listed.write_text(json.dumps([row("中文"), row()]))
    added(folder, packed)
    found = added(folder, listed, role="train")
    kept = (found.folder / "train.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["question"] for line in kept] == ["中文", "1 + 1?"]
    assert (found.folder / "test.jsonl").read_text().endswith("\n")


def test_a_csv_keeps_its_cells_and_loses_its_byte_order_mark(folder, tmp_path):
    (tmp_path / "a.csv").write_text('\ufeffquestion,answer\n"a, b","#### 1"\n', encoding="utf-8")
    found = added(folder, tmp_path / "a.csv")
    assert found.data_set.splits["test"].columns == ("question", "answer")
    assert (found.folder / "test.csv").read_bytes() == b'question,answer\r\n"a, b",#### 1\r\n'


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.jsonl", b'{"a": 1}\n[2]\n', "line 2 is not a JSON object"),
        ("a.jsonl", b'{"a": 1}\n{"a": NaN}\n', "line 2 is not valid JSON"),
        ("a.jsonl", b"\n\n", "holds no row"),
        ("a.jsonl", b'{"a": "\xff"}\n', "line 1 is not valid JSON"),
        ("a.json", b'["a"]', "item 1 is not a JSON object"),
        ("a.json.gz", b"not packed", "cannot be read"),
        ("a.csv", b"a,b\n1\n", "line 2: 1 cells under 2 names"),
        ("a.parquet", b"PAR1 cut short", "not a whole parquet file"),
        ("a.txt", b"a", "no ending that is read"),
    ],
)
def test_a_file_that_cannot_be_data_is_refused_and_leaves_nothing(
    folder, tmp_path, name, content, told
):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RefusedError, match=told):
        added(folder, tmp_path / name)
    assert [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"] == []


def test_a_role_that_the_task_does_not_have_is_refused_with_those_it_has(folder, tmp_path):
    path = lines(tmp_path / "a.jsonl", row())
    with pytest.raises(RefusedError, match="hellaswag has no test split") as caught:
        add(AddRequest("hellaswag", {"test": path}, {}), folder)
    assert "add hellaswag --validation FILE --train FILE" in caught.value.hint


def test_a_group_is_several_tasks_and_not_one_file(folder, tmp_path):
    with pytest.raises(RefusedError, match="mmlu stands for 57 tasks"):
        add(AddRequest("mmlu", {"test": lines(tmp_path / "a.jsonl", row())}, {}), folder)


def test_a_split_may_be_given_by_its_own_name(folder, tmp_path):
    path = lines(tmp_path / "a.jsonl", row())
    found = add(AddRequest("mmlu_anatomy", {"test": path}, {"dev": path}), folder)
    assert set(found.data_set.splits) == {"test", "dev"}


def test_data_that_are_here_are_found_for_every_task_on_the_same_data_set(folder, tmp_path):
    found = added(folder, lines(tmp_path / "a.jsonl", row()))
    added(folder, lines(tmp_path / "t.jsonl", row()), role="train")
    data = checked(folder, "gsm8k", "gsm8k_cot")
    assert list(data.digests) == ["openai--gsm8k/main"]
    assert found.data_set.digest != data.digests["openai--gsm8k/main"]


def test_missing_data_are_named_with_the_command_that_gets_them(folder):
    with pytest.raises(RefusedError, match="data of hellaswag are not on this machine: Rowan") as e:
        checked(folder, "hellaswag")
    assert "rdagent benchmarks fetch hellaswag" in e.value.hint
    assert "rdagent benchmarks add hellaswag --validation FILE" in e.value.hint


def test_of_a_group_that_is_partly_here_what_is_missing_is_named(folder, tmp_path):
    path = lines(tmp_path / "a.jsonl", row())
    add(AddRequest("arc_easy", {"test": path}, {}), folder)
    with pytest.raises(RefusedError, match="data of arc_challenge are not") as caught:
        checked(folder, "arc")
    assert "arc_easy" not in caught.value.message


def test_the_members_of_a_group_that_lack_data_are_counted(folder, tmp_path):
    path = lines(tmp_path / "a.jsonl", row())
    add(AddRequest("mmlu_anatomy", {"test": path}, {}), folder)
    with pytest.raises(RefusedError, match="the data of 56 of the 57 tasks of mmlu"):
        checked(folder, "mmlu")


def test_examples_without_a_split_to_draw_them_from_are_refused(folder, tmp_path):
    added(folder, lines(tmp_path / "a.jsonl", row()))
    with pytest.raises(RefusedError, match="have no split 'train', from which it draws 5") as e:
        checked(folder, "gsm8k")
    assert "--num-fewshot 0" in e.value.hint
    assert "fetch" not in e.value.hint


def test_no_examples_need_no_split_to_draw_them_from(folder, tmp_path):
    added(folder, lines(tmp_path / "a.jsonl", row()))
    assert checked(folder, "gsm8k", shots=0).digests


def test_the_number_of_examples_of_a_single_task_goes_before_the_one_for_all(folder, tmp_path):
    added(folder, lines(tmp_path / "a.jsonl", row()))
    tasks = resolve_tasks(["gsm8k"])
    assert check_data(tasks, folder, 5, {"gsm8k": 0}).digests
    with pytest.raises(RefusedError, match="have no split 'train'"):
        check_data(tasks, folder, 0, {"gsm8k": 5})


def test_examples_that_a_task_holds_itself_need_no_split(folder, tmp_path):
    path = lines(tmp_path / "a.jsonl", row())
    add(AddRequest("minerva_math500", {"test": path}, {}), folder)
    assert checked(folder, "minerva_math500").digests


def test_data_that_changed_since_they_were_added_are_refused(folder, tmp_path):
    found = added(folder, lines(tmp_path / "a.jsonl", row()))
    (found.folder / "test.jsonl").write_text(json.dumps(row("changed")) + "\n")
    with pytest.raises(RefusedError, match=r"damaged.*'test'"):
        checked(folder, "gsm8k", shots=0)


def test_data_that_change_while_they_are_used_are_noticed(folder, tmp_path):
    added(folder, lines(tmp_path / "a.jsonl", row()))
    data = checked(folder, "gsm8k", shots=0)
    assert data.changed() is None
    added(folder, lines(tmp_path / "b.jsonl", row("b")), replace=True)
    assert "openai--gsm8k" in (data.changed() or "")


def test_a_task_that_gets_its_data_by_code_is_told_so_and_not_refused(folder):
    (note,) = checked(folder, "ruler_vt").notes
    assert "by code of its own" in note


def test_an_include_folders_local_data_are_its_own_business(folder, tmp_path):
    (tmp_path / "own.yaml").write_text(
        "task: own\ndataset_path: json\ndataset_kwargs:\n  data_files: {test: /job/in/a.jsonl}\n"
        "test_split: test\n"
    )
    assert check_data(resolve_tasks(["own"], [tmp_path]), folder, None).digests == {}


def test_an_include_folders_task_on_a_hubs_data_set_needs_it(folder, tmp_path):
    (tmp_path / "own.yaml").write_text(
        "task: own\ndataset_path: openai/gsm8k\ndataset_name: main\ntest_split: test\n"
    )
    tasks = resolve_tasks(["own"], [tmp_path])
    with pytest.raises(RefusedError, match="the data of own are not on this machine"):
        check_data(tasks, folder, None)
    added(folder, lines(tmp_path / "a.jsonl", row()))
    assert list(check_data(tasks, folder, None).digests) == ["openai--gsm8k/main"]


def test_a_data_set_appears_whole_or_not_at_all(folder, tmp_path):
    before = added(folder, lines(tmp_path / "a.jsonl", row()))

    def broken_off():
        with published(folder, before.data_set.source) as place:
            (place / "half").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken_off()
    assert [place.name for place, _ in all_of(folder)] == ["main"]
    assert sorted(path.name for path in before.folder.iterdir()) == ["manifest.json", "test.jsonl"]
    assert [path.name for path in before.folder.parent.iterdir()] == ["main"]


def test_a_manifest_that_leads_elsewhere_is_refused(tmp_path):
    document = {
        "schema": "rdagent.benchmark/1",
        "source": {"path": "a/b", "name": "", "options": {}},
        "origin": "files",
        "splits": {"test": {"file": "../x.jsonl", "format": "jsonl", "bytes": 1, "sha256": "0"}},
    }
    with pytest.raises(ResultError, match="not read"):
        DataSet.from_json(document, "manifest.json")


@pytest.mark.parametrize(
    ("path", "name", "options", "folder"),
    [
        ("openai/gsm8k", "main", {}, "openai--gsm8k/main"),
        ("HuggingFaceH4/MATH-500", None, {}, "HuggingFaceH4--MATH-500/default"),
        ("HuggingFaceH4/MATH-500", "default", {}, "HuggingFaceH4--MATH-500/default"),
        ("a/b", "c", {"trust_remote_code": True, "split": "test"}, "a--b/c"),
    ],
)
def test_a_source_has_a_folder_of_its_own(path, name, options, folder):
    assert source_of(path, name, options).folder == folder


def test_sources_that_differ_never_share_a_folder():
    sources = [
        source_of("json", None, {"data_files": "https://a/1.json"}),
        source_of("json", None, {"data_files": "https://a/2.json"}),
        source_of("a/b", "c d"),
        source_of("a/b", "c-d"),
        source_of("a/b", "c/d"),
        source_of("a/b", "中文"),
        source_of("a/b", "../../x"),
    ]
    folders = [source.folder for source in sources]
    assert len(set(folders)) == len(folders)
    assert not any(".." in Path(folder).parts for folder in folders)


@pytest.mark.parametrize(
    ("path", "options", "remote"),
    [
        ("openai/gsm8k", {}, True),
        ("squad", {}, True),
        ("json", {"data_files": {"test": "/data/a.jsonl"}}, False),
        ("json", {"data_files": {"test": ["hf://datasets/a/b.jsonl"]}}, True),
        ("/data/of/mine", {}, False),
        ("./mine", {}, False),
    ],
)
def test_only_what_is_fetched_from_somewhere_can_be_missing(path, options, remote):
    assert source_of(path, None, options).is_remote is remote
