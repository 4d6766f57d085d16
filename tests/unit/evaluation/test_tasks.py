"""From asked names to lm_eval's: aliases, tags, folders, near names, refusals."""

from pathlib import Path

import pytest

from rdagent.errors import RefusedError, UnknownTaskError
from rdagent.evaluation import catalogue, tasks
from rdagent.evaluation.catalogue import built_in
from rdagent.evaluation.catalogue_include import parse_yaml
from rdagent.evaluation.tasks import aliases, resolve_tasks


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "_shared.yaml").write_text("output_type: generate_until\ntag: my_tag\n")
    for name in ("home", "away"):
        (tmp_path / f"{name}.yaml").write_text(
            f"include: _shared.yaml\ntask: my_{name}\nprocess_docs: !function code.prepare\n"
        )
    (tmp_path / "all.yaml").write_text("group: my_group\ntask: [my_home, my_away]\n")
    return tmp_path


def test_a_known_name_stays_as_it_is() -> None:
    assert resolve_tasks(["gsm8k"]).names == ("gsm8k",)


def test_a_known_name_needs_no_note() -> None:
    assert resolve_tasks(["gsm8k", "mmlu"]).notes == ()


def test_math_is_taken_as_hendrycks_math_with_a_note() -> None:
    found = resolve_tasks(["math"])
    assert found.names == ("hendrycks_math",)
    assert found.notes == ("math was taken as hendrycks_math",)


def test_an_alias_may_stand_for_several_tasks() -> None:
    assert resolve_tasks(["arc"]).names == ("arc_easy", "arc_challenge")


@pytest.mark.parametrize("spelling", ["GSM8K", "Gsm8k", " gsm8k "])
def test_case_and_blanks_do_not_matter(spelling: str) -> None:
    assert resolve_tasks([spelling]).names == ("gsm8k",)


def test_a_hyphen_may_stand_for_an_underscore() -> None:
    assert resolve_tasks(["arc-easy"]).names == ("arc_easy",)


def test_a_tag_becomes_its_tasks_with_a_note() -> None:
    found = resolve_tasks(["ai2_arc"])
    assert found.names == ("arc_challenge", "arc_easy")
    assert found.notes == ("ai2_arc stands for 2 tasks: arc_challenge, arc_easy",)


def test_a_group_stays_a_group() -> None:
    assert resolve_tasks(["mmlu"]).names == ("mmlu",)


def test_a_name_that_is_asked_twice_runs_once() -> None:
    found = resolve_tasks(["gsm8k", "gsm8k"])
    assert found.names == ("gsm8k",)
    assert found.notes == ("gsm8k was asked for more than once; it runs once",)


def test_an_unknown_name_is_refused_in_the_words_that_users_know() -> None:
    with pytest.raises(UnknownTaskError, match=r"^Task 'xyz' not found"):
        resolve_tasks(["xyz"])


def test_an_unknown_name_is_told_near_names() -> None:
    with pytest.raises(UnknownTaskError) as caught:
        resolve_tasks(["hellaswagg"])
    assert "hellaswag," in caught.value.hint


def test_a_task_and_a_group_that_holds_it_are_refused_together() -> None:
    with pytest.raises(RefusedError, match="'mmlu' and 'mmlu_anatomy'"):
        resolve_tasks(["mmlu", "mmlu_anatomy"])


def test_two_groups_that_share_a_task_are_refused_together() -> None:
    with pytest.raises(RefusedError, match="both run"):
        resolve_tasks(["mmlu", "mmlu_stem"])


def test_a_task_that_runs_written_code_is_refused_by_name() -> None:
    with pytest.raises(RefusedError, match="Task 'humaneval' runs code"):
        resolve_tasks(["gsm8k", "humaneval"])


def test_tasks_of_a_folder_are_found(folder: Path) -> None:
    assert resolve_tasks(["my_home"], [folder]).names == ("my_home",)


def test_tags_of_a_folder_come_through_what_its_files_include(folder: Path) -> None:
    assert resolve_tasks(["my_tag"], [folder]).names == ("my_away", "my_home")


def test_a_group_of_a_folder_holds_its_tasks(folder: Path) -> None:
    with pytest.raises(RefusedError):
        resolve_tasks(["my_group", "my_home"], [folder])


def test_names_from_folders_do_not_read_the_built_in_list(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unread() -> None:
        pytest.fail("the built-in list was read")

    monkeypatch.setattr(tasks, "built_in", unread)
    assert resolve_tasks(["my_home", "my_away"], [folder]).names == ("my_home", "my_away")


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="is not there"):
        resolve_tasks(["gsm8k"], [tmp_path / "nowhere"])


def test_a_folder_task_that_runs_written_code_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text("task: mine\nunsafe_code: true\n")
    with pytest.raises(RefusedError, match="mine"):
        resolve_tasks(["mine"], [tmp_path])


def test_a_file_that_cannot_be_read_is_named_when_a_name_is_not_found(folder: Path) -> None:
    (folder / "broken.yaml").write_text("task: [unclosed")
    with pytest.raises(UnknownTaskError) as caught:
        resolve_tasks(["my_broken_one"], [folder])
    assert "broken.yaml" in caught.value.hint


def test_a_file_that_includes_itself_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text("include: t.yaml\ntask: mine\n")
    with pytest.raises(UnknownTaskError):
        resolve_tasks(["mine"], [tmp_path])


def test_python_objects_named_in_yaml_are_not_made() -> None:
    with pytest.raises(ValueError, match="not YAML"):
        parse_yaml("task: !!python/object/apply:os.getcwd []\n")


def test_a_function_tag_is_a_text() -> None:
    assert parse_yaml("a: !function code.run\n") == {"a": "!function code.run"}


def test_every_alias_leads_to_names_that_exist() -> None:
    assert {name for names in aliases().values() for name in names} <= set(built_in())


def test_no_alias_hides_a_name_that_exists() -> None:
    assert not set(aliases()) & set(built_in())


def test_every_member_of_a_built_in_tag_is_a_task() -> None:
    entries = built_in()
    for entry in entries.values():
        if entry.kind == "tag":
            assert all(entries[name].kind == "task" for name in entry.members), entry.name


def test_a_list_is_parsed_into_kinds() -> None:
    text = "# lm_eval 1\n[tasks]\na\nb\n[unsafe]\nb\n[tags]\nx a b\n[groups]\ng* a x\n"
    found = catalogue.parse(text)
    assert found["b"].unsafe
    assert found["x"].members == ("a", "b")
    assert (found["g"].kind, found["g"].scored) == ("group", True)
