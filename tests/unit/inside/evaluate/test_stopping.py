"""Base and adapters in turns: who is asked what, when it ends, and who cannot be compared."""

from types import SimpleNamespace

import pytest

from rdagent.inside.evaluate import run
from rdagent.inside.evaluate.grouping import Group
from rdagent.inside.evaluate.marking import NotRightOrWrong
from rdagent.inside.evaluate.order import Unit
from rdagent.inside.evaluate.processes import Stopper
from rdagent.inside.evaluate.stopping import Decider, why_not
from rdagent.records.ledger import Answer, Ledger
from rdagent.records.plan import Request
from rdagent.records.requests import EvaluateRequest, Variant
from rdagent.records.status import InsideStatus
from rdagent.records.stopping import StopRule

OK = InsideStatus("ok")


class World:
    """Documents that ask one request each, models that are right about some, and who was asked."""

    def __init__(self, right, count=100, looks=(16, 32, 64, 100), units=("t",)):
        self.right, self.asked = right, []
        self.units = tuple(
            Unit(name, (name,), tuple((name, n) for n in range(count)), looks) for name in units
        )
        items = [item for unit in self.units for item in unit.items]
        requests = tuple(Request("generate", f"{t} {n}", 0, ("",), 0) for t, n in items)
        self.planned = SimpleNamespace(units=self.units, requests=requests)
        self.ledgers = {name: Ledger() for name in right}
        self.fails = {}
        self.graded = set()

    def needed(self, items):
        return {(f"{task} {number}", 0) for task, number in items}

    def mark(self, model, unit, items, ledger):
        assert not ledger.missing(
            [one for one in self.planned.requests if one.name in self.needed(items)]
        )
        if unit.name in self.graded:
            raise NotRightOrWrong("a half")
        return [self.right[model](number) for _, number in items]

    def metric(self, unit):
        return "m"

    def ask(self, name, requests):
        self.asked.append((name, len(self.ledgers[name].missing(requests))))
        if name in self.fails:
            return self.fails[name]
        for one in self.ledgers[name].missing(requests):
            self.ledgers[name].add(Answer(one.key, 0, "generate"))
        return OK

    def decide(self, alpha=0.05):
        decider = Decider(StopRule(alpha), self.planned, self, self.ledgers, self.ask)
        decider.run()
        return decider


def always(number):
    return True


def never(number):
    return False


def test_base_and_adapter_answer_the_same_documents_in_turns_until_it_is_decided():
    world = World({"base": never, "a": lambda n: n > 20})
    decider = world.decide()
    assert world.asked == [("base", 16), ("a", 16), ("base", 16), ("a", 16)]
    assert decider.kept() == {("t", n) for n in range(29)}
    task = decider.outcome(7).tasks["t"]
    assert (task.answered, task.planned, task.adapters["a"].decision) == (29, 100, "improved")


def test_equal_models_answer_everything():
    world = World({"base": always, "a": always})
    decider = world.decide()
    assert decider.kept() == {("t", n) for n in range(100)}
    assert decider.outcome(7).tasks["t"].adapters["a"].decision is None


def test_the_document_that_decides_does_not_depend_on_where_one_looks():
    kept = [
        World({"base": never, "a": lambda n: n % 3 > 0}, looks=looks).decide().kept()
        for looks in ((1, 5, 100), (16, 100), (100,))
    ]
    assert kept[0] == kept[1] == kept[2]


def test_what_a_ledger_holds_is_not_asked():
    world = World({"base": never, "a": always})
    for one in world.planned.requests:
        world.ledgers["base"].add(Answer(one.key, 0, "generate"))
    assert world.decide().kept() == {("t", n) for n in range(8)}
    assert world.asked == [("a", 16)]


def test_what_all_have_answered_needs_nobody():
    world = World({"base": never, "a": always})
    for ledger in world.ledgers.values():
        for one in world.planned.requests:
            ledger.add(Answer(one.key, 0, "generate"))
    assert world.decide().outcome(7).tasks["t"].answered == 8
    assert world.asked == []


def test_a_task_that_is_decided_is_left_while_another_goes_on():
    world = World({"base": never, "a": never}, units=("s", "t"))
    world.mark = lambda model, unit, items, ledger: [model == "a" and unit.name == "s"] * len(items)
    decider = world.decide()
    assert world.asked == [(n, count) for count in (32, 16, 32, 36) for n in ("base", "a")]
    answered = {name: task.answered for name, task in decider.outcome(7).tasks.items()}
    assert answered["t"] == 100
    assert answered["s"] < 16


def test_the_level_is_shared_among_tasks_and_adapters():
    alone = World({"base": never, "a": always}).decide()
    models = {"base": never, **{f"a{n}": always for n in range(3)}}
    several = World(models, units=("s", "t")).decide()
    assert (alone.outcome(7).comparisons, several.outcome(7).comparisons) == (1, 6)
    assert alone.outcome(7).alpha == several.outcome(7).alpha == 0.05
    # 2^m / (m + 1) reaches 20 at 8 and 120 at 11.
    answered = [one.outcome(7).tasks["t"].answered for one in (alone, several)]
    assert answered == [8, 11]


def test_what_is_graded_is_answered_in_full_beside_what_is_decided():
    world = World({"base": never, "a": always}, units=("s", "t"))
    world.graded = {"s"}
    tasks = world.decide().outcome(7).tasks
    assert (tasks["s"].answered, tasks["s"].why_not) == (100, "a half")
    assert (tasks["t"].answered, tasks["t"].why_not) == (9, None)


def test_an_adapter_that_cannot_answer_leaves_the_others_to_be_compared():
    world = World({"base": never, "a": always, "b": always})
    world.fails = {"b": InsideStatus("adapter_invalid", "bad")}
    decider = world.decide()
    assert {name: status.reason for name, status in decider.failed.items()} == {
        "b": "adapter_invalid"
    }
    assert [name for name, _ in world.asked].count("b") == 1
    assert list(decider.outcome(7).tasks["t"].adapters) == ["a"]


def test_a_base_that_cannot_answer_ends_it_for_all():
    world = World({"base": never, "a": always})
    world.fails = {"base": InsideStatus("out_of_memory", "no room")}
    decider = world.decide()
    assert {status.reason for status in decider.failed.values()} == {"out_of_memory"}
    assert set(decider.failed) == {"base", "a"}
    assert world.asked == [("base", 16)]


def test_a_base_without_an_adapter_is_not_asked_on():
    world = World({"base": never, "a": always})
    world.fails = {"a": InsideStatus("adapter_invalid", "bad")}
    decider = world.decide()
    assert decider.failed["base"].reason == "incomplete"
    assert world.asked == [("base", 16), ("a", 16)]


# Who may ask for it.

BASE, ADAPTER = Variant("base", "/m"), Variant("a", "/m", "/a")


def request(*variants, **options):
    return EvaluateRequest(
        **{
            "variants": variants or (BASE, ADAPTER),
            "tasks": ("t",),
            "output": "/o",
            "engine": "hf",
            "stop": StopRule(),
            **options,
        }
    )


def reason(asked, *groups):
    return why_not(asked, groups or [Group(asked.variants)])


def test_a_base_and_an_adapter_on_one_engine_may_stop():
    assert reason(request()) is None


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (request(BASE), "at least one adapter"),
        (request(ADAPTER), "the base"),
        (request(shards=2), "one process"),
        (request(stage="infer"), "one process"),
        (request(stage="score"), "one process"),
        (request(engine="endpoint"), "one process"),
    ],
)
def test_what_cannot_be_answered_in_turns_is_refused(asked, said):
    assert said in reason(asked)


def test_an_adapter_with_an_engine_of_its_own_is_refused_by_name():
    groups = Group((BASE,)), Group((ADAPTER,))
    assert "'a' has one of its own" in reason(request(), *groups)


def test_whoever_does_not_ask_for_it_may_do_all_of_this():
    asked = request(ADAPTER, stop=None, shards=2)
    assert reason(asked, Group((BASE,)), Group((ADAPTER,))) is None


def test_a_refused_request_starts_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "run_child", lambda *_: pytest.fail("something was started"))
    asked = request(BASE, Variant("other", "/n"), output=str(tmp_path))
    folders = {one.name: tmp_path / one.name for one in asked.variants}
    status = run.evaluate(asked, folders, Stopper())
    assert status.reason == "refused"
    assert {part.reason for part in status.parts} == {"refused"}
