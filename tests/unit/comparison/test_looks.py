"""How often a base was compared on a benchmark: counted in one place, in the way of nothing."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from rdagent.comparison.looks import LOOKS_FILE, identity_of, note_look
from rdagent.comparison.operands import find_sources
from rdagent.comparison.read import read_side
from rdagent.comparison.report import Looks
from tests.unit.comparison.builders import TaskSpec, write_run, write_side

TASKS = {"a": TaskSpec([1, 0, 1]), "b": TaskSpec([1, 1])}
NAMES = ["a", "b"]


@pytest.fixture
def side(tmp_path):
    """Write and read one model's results."""

    def read(model, tasks=TASKS, **settings):
        folder = tmp_path / f"m{len(list(tmp_path.iterdir()))}"
        path = write_side(folder, model=model, tasks=tasks, **settings)
        return read_side(find_sources([str(path)] * 2, tmp_path)[0])

    return read


def test_the_first_look_is_one(side, tmp_path):
    assert note_look(tmp_path / "runs", side("base"), [side("new")], NAMES) == Looks(1, 0)


def test_the_same_comparison_again_is_a_look_and_no_candidate(side, tmp_path):
    base, new = side("base"), side("new")
    for count in (1, 2, 3):
        assert note_look(tmp_path, base, [new], NAMES) == Looks(count, 0)


def test_other_candidates_are_counted_once_each(side, tmp_path):
    base = side("base")
    for model in ("x", "y", "x"):
        note_look(tmp_path, base, [side(model)], NAMES)
    assert note_look(tmp_path, base, [side("z"), side("y")], NAMES) == Looks(4, 1)


def test_another_base_is_another_story(side, tmp_path):
    note_look(tmp_path, side("base"), [side("new")], NAMES)
    assert note_look(tmp_path, side("other"), [side("new")], NAMES) == Looks(1, 0)


def test_other_documents_are_another_story(side, tmp_path):
    other = {"a": TaskSpec([1], docs=[{"question": "else"}])}
    note_look(tmp_path, side("base"), [side("new")], NAMES)
    assert note_look(tmp_path, side("base", other), [side("new", other)], ["a"]) == Looks(1, 0)


def test_a_task_among_others_was_looked_at_as_well(side, tmp_path):
    base = side("base")
    note_look(tmp_path, base, [side("new")], NAMES)
    assert note_look(tmp_path, base, [side("new")], ["b"]) == Looks(2, 0)


def test_documents_in_another_order_are_the_same(side, tmp_path):
    base = side("base")
    note_look(tmp_path, base, [side("new")], NAMES)
    items = base.items["a"]["none"]
    turned = replace(items, items=tuple(reversed(items.items)))
    assert note_look(
        tmp_path, replace(base, items={"a": {"none": turned}}), [side("new")], ["a"]
    ) == Looks(2, 0)


def test_an_adapter_is_not_its_base(side):
    adapters = [side("m"), side("m", adapter="/a"), side("m", adapter="/b")]
    assert len(set(map(identity_of, adapters))) == 3


def test_the_same_model_evaluated_in_another_way_is_the_same(side):
    assert identity_of(side("m")) == identity_of(side("m", config={"batch_size": "1", "limit": 2}))


def test_a_model_of_ours_is_known_by_its_digests(tmp_path):
    def model(run_id, image):
        run = write_run(tmp_path, {"base": {"tasks": TASKS}, "t": {"tasks": TASKS}}, run_id=run_id)
        of = {"engine": "hf", "model": "d" * 64, "adapter": None, "image": image}
        document = {"identity": image, "of": of}
        (run / "variants" / "base" / "identity.json").write_text(json.dumps(document))
        return read_side(find_sources([str(run)], tmp_path)[0])

    assert identity_of(model("r1", "one")) == identity_of(model("r2", "another"))


def test_a_line_that_was_cut_off_is_passed_over(side, tmp_path):
    base, new = side("base"), side("new")
    note_look(tmp_path, base, [new], NAMES)
    path = tmp_path / LOOKS_FILE
    path.write_bytes(path.read_bytes() + b'{"schema": "rdag')
    assert note_look(tmp_path, base, [new], NAMES) == Looks(2, 0)
    assert note_look(tmp_path, base, [new], NAMES) == Looks(3, 0)
    assert len(path.read_text().splitlines()) == 4


@pytest.mark.parametrize("line", ["[]", "5", '{"schema": "x"}', '{"schema": "rdagent.look/1"}'])
def test_lines_that_are_none_of_ours_are_passed_over(side, tmp_path, line):
    (tmp_path / LOOKS_FILE).write_text(line)
    assert note_look(tmp_path, side("base"), [side("new")], NAMES) == Looks(1, 0)


def test_a_root_that_cannot_be_written_ends_nothing(side, tmp_path):
    (tmp_path / "file").write_text("")
    assert note_look(tmp_path / "file", side("base"), [side("new")], NAMES) == Looks(1, 0)


def test_a_file_of_looks_that_is_a_link_is_not_written_through(side, tmp_path):
    (tmp_path / "elsewhere").write_text("mine")
    (tmp_path / LOOKS_FILE).symlink_to(tmp_path / "elsewhere")
    assert note_look(tmp_path, side("base"), [side("new")], NAMES).count == 1
    assert (tmp_path / "elsewhere").read_text() == "mine"


def test_looks_at_the_same_time_are_all_counted(side, tmp_path):
    base, new = side("base"), side("new")
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: note_look(tmp_path, base, [new], NAMES), range(24)))
    assert sorted(look.count for look in found) == list(range(1, 25))


def test_the_line_says_no_word_of_a_model(side, tmp_path):
    note_look(tmp_path, side("secret/base"), [side("secret/new")], NAMES)
    assert "secret" not in (tmp_path / LOOKS_FILE).read_text()
