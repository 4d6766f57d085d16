"""Which documents are right, by a task's own filters and metric."""

from types import SimpleNamespace

import pytest

from rdagent.errors import JobFailed
from rdagent.inside.evaluate.marking import Marker, NotRightOrWrong
from rdagent.inside.evaluate.order import Unit
from rdagent.records.ledger import Answer, Ledger, Output
from rdagent.records.plan import Occurrence, Plan, Request
from rdagent.records.stopping import StopRule


class Strip:
    name = "strict"

    def apply(self, instances):
        for one in instances:
            one.filtered_resps[self.name] = one.resps[0].strip()


class Last(Strip):
    name = "flexible"

    def apply(self, instances):
        for one in instances:
            one.filtered_resps[self.name] = one.resps[-1].split()[-1]


class Task:
    """What of lm_eval's tasks is used."""

    def __init__(self, name, documents, metric="exact_match", better=True, repeats=1):
        self.task_name, self.metric, self.better = name, metric, better
        self._filters = [Strip(), Last()]
        self._instances = [
            SimpleNamespace(
                task_name=name,
                doc_id=number,
                idx=0,
                repeats=repeats,
                request_type="generate_until",
                doc={"answer": answer},
                resps=["of another run"],
                filtered_resps={},
            )
            for number, answer in enumerate(documents)
        ]

    def higher_is_better(self):
        return {self.metric: self.better}

    def process_results(self, document, said):
        score = self.score(document, said[0])
        document["answer"] = "scored"  # some tasks write into what they are given
        return {self.metric: score, "length": len(said[0])}

    def score(self, document, said):
        return float(said == document["answer"])


def planned(*tasks):
    """Plan the tasks; each question is asked once for each draw."""
    requests, places = [], []
    for task in tasks:
        for one in task._instances:
            for draw in range(one.repeats):
                key = f"{task.task_name}{one.doc_id}"
                places.append(Occurrence(len(requests), task.task_name, one.doc_id, 0))
                requests.append(Request("generate", key, draw, (key, {}), 0))
    return SimpleNamespace(
        plan=Plan("d", tuple(places), {}, {}, {}), requests=tuple(requests), units=()
    )


def ledger(**texts):
    found = Ledger()
    for key, said in texts.items():
        for draw, text in enumerate([said] if isinstance(said, str) else said):
            found.add(Answer(key, draw, "generate", (Output(text),)))
    return found


def marker(*tasks, **rule):
    return Marker(StopRule(**{"preference": ("exact_match",), **rule}), planned(*tasks), tasks)


def unit(*items, name="t", tasks=("t",)):
    return Unit(name, tasks, items, (len(items),))


BOTH = (("t", 0), ("t", 1))


def test_documents_are_right_or_wrong_in_the_order_in_which_they_are_asked_for():
    found = marker(Task("t", "AB"))
    answers = ledger(t0=" A ", t1="x")
    assert found.mark("base", unit(*BOTH), BOTH, answers) == [True, False]
    assert found.mark("base", unit(*BOTH), BOTH[::-1], answers) == [False, True]


def test_the_answers_of_one_model_do_not_count_for_the_next():
    found = marker(Task("t", "AB"))
    for _ in range(2):
        assert found.mark("base", unit(*BOTH), BOTH, ledger(t0="A", t1="B")) == [True, True]
        assert found.mark("a", unit(*BOTH), BOTH, ledger(t0="B", t1="A")) == [False, False]


def test_the_metric_and_filter_that_are_named_go_before_others():
    named = marker(Task("t", "AB"), metrics={"t": ("exact_match,flexible",)})
    answers = ledger(t0="it is A", t1="B")
    assert named.mark("b", unit(*BOTH), BOTH, answers) == [True, True]
    assert named.metric(unit(*BOTH)) == "exact_match,flexible"


def test_what_is_named_for_a_group_goes_before_what_is_for_its_task():
    metrics = {"g": ("exact_match,strict",), "t": ("exact_match,flexible",)}
    found = marker(Task("t", "AB"), metrics=metrics)
    group = unit(*BOTH, name="g")
    assert found.mark("b", group, BOTH, ledger(t0="it is A", t1="B")) == [False, True]
    assert found.metric(group) == "exact_match,strict"


def test_all_draws_of_a_document_reach_its_filters():
    task = Task("t", "AB", repeats=2)
    found = marker(task, metrics={"t": ("exact_match,flexible",)})
    answers = ledger(t0=["x", "A"], t1=["B", "x"])
    assert found.mark("b", unit(*BOTH), BOTH, answers) == [True, False]


def test_where_less_is_better_nothing_is_right():
    found = marker(Task("t", "AB", better=False))
    assert found.mark("b", unit(*BOTH), BOTH, ledger(t0="A", t1="x")) == [False, True]


@pytest.mark.parametrize("score", [0.5, 2, float("nan"), "1", (1, 0), None, [1.0]])
def test_any_other_score_is_neither_right_nor_wrong(score):
    task = Task("t", "AB")
    task.score = lambda document, said: score
    with pytest.raises(NotRightOrWrong, match="exact_match of an item is"):
        marker(task).mark("b", unit(*BOTH), BOTH, ledger(t0="A", t1="B"))


class Scalar:
    """A number of numpy's or torch's."""

    def item(self):
        return True


@pytest.mark.parametrize("score", [True, 1, 1.0, Scalar()])
def test_one_is_right_however_it_is_written(score):
    task = Task("t", "AB")
    task.score = lambda document, said: score
    assert marker(task).mark("b", unit(*BOTH), BOTH, ledger(t0="A", t1="B")) == [True, True]


def test_documents_name_the_requests_that_they_need():
    found = marker(Task("s", "AB"), Task("t", "AB", repeats=2))
    assert found.needed([("t", 1), ("s", 0)]) == {("t1", 0), ("t1", 1), ("s0", 0)}


def test_several_tasks_of_a_group_may_have_metrics_of_their_own():
    tasks = (Task("s", "AB"), Task("t", "AB", metric="acc"))
    found = marker(*tasks, preference=("exact_match,strict", "acc,strict"))
    group = unit(("s", 0), ("t", 1), name="g", tasks=("s", "t"))
    assert found.mark("b", group, group.items, ledger(s0="A", t1="B")) == [True, True]
    assert found.metric(group) == "exact_match,strict, acc,strict"


def row(number, score, after="strict"):
    return {"doc_id": number, "filter": after, "exact_match": score}


def marked():
    found = marker(Task("t", "AB"), metrics={"t": ("exact_match,strict",)})
    found.mark("base", unit(*BOTH), BOTH, ledger(t0="A", t1="x"))
    return found


def test_results_that_agree_with_the_marks_pass():
    others = [row(0, 0.0, "flexible"), row(7, 1.0)]
    marked().require_same("base", {"t": [row(0, 1.0), row(1, 0.0), *others], "u": [row(0, 0)]})


def test_results_that_say_otherwise_than_the_marks_are_refused():
    with pytest.raises(JobFailed, match="document 1 is scored otherwise"):
        marked().require_same("base", {"t": [row(0, 1.0), row(1, 1.0)]})


def test_scoring_cannot_change_a_document_for_the_next_model():
    task = Task("t", "AB")
    marker(task).mark("base", unit(*BOTH), BOTH, ledger(t0="A", t1="B"))
    assert [one.doc for one in task._instances] == [{"answer": "A"}, {"answer": "B"}]
