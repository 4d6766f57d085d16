"""Which tasks are refused for what their scoring does; their modules are read, never run."""

import importlib.util
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import Any

import pytest

from rdagent.errors import RefusedError
from rdagent.inside.evaluate import list_refused, scoring_calls


class Config(dict):
    """As lm_eval's: a dict by type, its content in attributes."""

    def __init__(self, **fields: Any) -> None:
        super().__init__()
        self.__dict__.update({"output_type": "generate_until", **fields})


class Task:
    """A task that is no program of its own."""

    def __init__(self, metrics: Any = None, **fields: Any) -> None:
        self.task_name = "t"
        self.config = Config(**fields)
        self._metric_fn_list = metrics or {}


Task.__module__ = "lm_eval.api.task"


class Kind(Enum):
    """Named as lm_eval names them."""

    TASK = 1
    PY_TASK = 2
    GROUP = 3
    TAG = 4


@dataclass
class Entry:
    kind: Kind = Kind.TASK
    cfg: dict[str, Any] = field(default_factory=dict)
    tags: set[str] = field(default_factory=set)


@pytest.fixture
def module(tmp_path):
    """Write a task's module; returns what an index says of one of its functions."""

    def write(text, function="score", file="utils"):
        (tmp_path / f"{file}.py").write_text(text)
        return f"{tmp_path}/{file}.{function}"

    return write


def why_not(**config):
    return scoring_calls.reason(config)


USES = "import {0}\ndef score(doc, results):\n    return {1}"


@pytest.mark.parametrize(
    ("imported", "used", "told"),
    [
        ("openai", "openai.OpenAI()", "asks a service"),
        ("anthropic", "anthropic.Anthropic()", "asks a service"),
        ("requests", "requests.get('')", "asks a service"),
        ("httpx as h", "h.get('')", "asks a service"),
        ("urllib.request", "urllib.request.urlopen('')", "asks a service"),
        ("urllib", "urllib.request.urlopen('')", "asks a service"),
        ("googleapiclient.discovery as d", "d.build()", "asks a service"),
        ("bert_score", "bert_score.score()", "loads a model"),
        ("sentence_transformers as s", "s.SentenceTransformer('')", "loads a model"),
        ("transformers", "transformers.pipeline('')", "loads a model"),
        ("evaluate", "evaluate.load('rouge')", "from the hub"),
    ],
)
def test_scoring_that_uses_a_service_or_a_model_is_refused(module, imported, used, told):
    hook = module(USES.format(imported, used))
    assert told in why_not(process_results=hook)


@pytest.mark.parametrize(
    ("imported", "used"),
    [
        ("transformers", "transformers.AutoTokenizer"),
        ("transformers.data.metrics.squad_metrics as m", "m.compute_f1('', '')"),
        ("urllib.parse", "urllib.parse.quote('')"),
        ("sacrebleu", "sacrebleu.corpus_bleu([], [])"),
        ("re", "re.sub('', '', '')"),
    ],
)
def test_scoring_that_computes_is_not_refused(module, imported, used):
    assert why_not(process_results=module(USES.format(imported, used))) is None


@pytest.mark.parametrize("name", ["AutoModel", "AutoModelForCausalLM", "BertModel", "pipeline"])
def test_a_model_of_transformers_is_one_however_it_is_called(module, name):
    text = f"from transformers import {name} as a\ndef score(d, r):\n    return a(r)"
    assert "loads a model" in why_not(process_results=module(text))


def test_an_import_that_only_another_function_uses_does_not_count(module):
    text = "import requests\ndef docs(d): return requests.get(d)\ndef score(d, r): return {}"
    assert why_not(process_results=module(text), process_docs=module(text, "docs")) is None


def test_what_a_function_calls_in_its_module_counts(module):
    text = """
import requests
def score(doc, results):
    return second(results)
def second(results):
    return Judge().ask(results)
class Judge:
    def ask(self, results):
        return requests.post(results)
"""
    told = why_not(process_results=module(text))
    assert "score uses requests.post" in told
    assert "utils.py, line 2" in told


def test_an_import_inside_the_function_counts_by_itself(module):
    text = "def score(d, r):\n    import openai\n    return r"
    assert "openai" in why_not(process_results=module(text))
    text = "def score(d, r):\n    return __import__('openai').ask(r)"
    assert "openai" in why_not(process_results=module(text, file="other"))


def test_what_runs_when_the_module_is_imported_counts(module):
    text = """
try:
    import evaluate
    bleu = evaluate.load("bleu")
except ImportError:
    bleu = None
def score(doc, results):
    return {}
"""
    assert "evaluate.load" in why_not(process_results=module(text))


def test_a_module_that_is_only_imported_and_not_used_does_not_count(module):
    text = """
from typing import TYPE_CHECKING
import evaluate
if TYPE_CHECKING:
    import openai
def score(doc, results):
    return {}
if __name__ == "__main__":
    evaluate.load("bleu")
"""
    assert why_not(process_results=module(text)) is None


def test_a_table_of_functions_counts_only_where_it_is_used(module):
    text = """
import requests
def ask(r): return requests.get(r)
TABLE = {"ask": ask}
def score(d, r): return {}
def by_table(d, r): return TABLE["ask"](r)
"""
    assert why_not(process_results=module(text)) is None
    assert "requests" in why_not(process_results=module(text, "by_table"))


@pytest.mark.parametrize(
    "line",
    [
        "from .judge import ask",
        "from judge import ask",
        "from . import judge\nask = judge.ask",
        "import judge\ndef ask(r): return judge.ask(r)",
        "from .judge import *",
    ],
)
def test_a_module_beside_it_is_followed(module, line):
    module(
        "import requests\ndef ask(r): return requests.get(r)\ndef fine(r): return r", file="judge"
    )
    hook = module(f"{line}\ndef score(d, r): return ask(r)")
    assert "requests" in why_not(process_results=hook)


def test_of_a_module_beside_it_only_what_is_used_counts(module):
    module(
        "import requests\ndef ask(r): return requests.get(r)\ndef fine(r): return r", file="judge"
    )
    hook = module("from .judge import ask, fine\ndef score(d, r): return fine(r)")
    assert why_not(process_results=hook) is None


def test_modules_that_import_each_other_end(module):
    module("from utils import score\ndef ask(r): return score(r, r)", file="judge")
    hook = module("from judge import ask\ndef score(d, r): return ask(r)")
    assert why_not(process_results=hook) is None


def test_metrics_aggregations_and_filters_are_scoring(module):
    text = "import openai\ndef score(*a): return openai.ask(a)\ndef fine(*a): return 1"
    bad, fine = module(text), module(text, "fine")
    mean = {"metric": fine, "aggregation": "mean"}
    filters = [{"name": "f", "filter": [{"function": "custom", "filter_fn": bad}]}]
    assert why_not(metric_list=[mean]) is None
    assert "openai" in why_not(metric_list=[{"metric": bad, "aggregation": "mean"}])
    assert "openai" in why_not(metric_list=[{"metric": "acc", "aggregation": bad}])
    assert "openai" in why_not(metric_list=[mean], filter_list=filters)


@pytest.mark.parametrize("name", ["bertscore", "bert_score_f1", "BLEURT", "comet-22", "bartscore"])
def test_a_metric_that_a_network_computes_is_refused_by_its_name(name):
    told = why_not(process_results="text", metric_list=[{"metric": name, "aggregation": "mean"}])
    assert f"for the metric {name}" in told


def test_a_metric_of_the_hub_is_refused_where_lm_eval_calls_it():
    metrics = [{"metric": "f1", "hf_evaluate": True}]
    assert "of the metric f1" in why_not(output_type="generate_until", metric_list=metrics)
    # Of given answers, and beside process_results, lm_eval itself computes: it never calls it.
    assert why_not(output_type="multiple_choice", metric_list=metrics) is None


def test_a_metric_that_lm_eval_does_not_have_is_refused():
    task = Task({"wonder": None}, metric_list=[{"metric": "wonder", "aggregation": "mean"}])
    with pytest.raises(RefusedError, match="of the metric wonder"):
        scoring_calls.refuse([task])
    known = Task({"acc": len}, metric_list=[{"metric": "acc", "aggregation": "mean"}])
    scoring_calls.refuse([known])


def test_a_task_that_runs_code_is_refused():
    assert why_not(unsafe_code=True) == "runs code that the model writes"


def load(path):
    spec = importlib.util.spec_from_file_location("loaded_for_a_test", path)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


CALLABLES = """
import functools
def ask(r):
    import requests
    return requests.get(r)
def score(d, r): return ask(r)
def fine(d, r): return {}
class Scorer:
    def __call__(self, d, r): return ask(r)
class Program:
    task_name, config = "p", None
    def process_results(self, d, r): return ask(r)
judge = lambda d, r: ask(r)
"""


def test_loaded_functions_are_read_from_the_files_that_they_come_from(module, tmp_path):
    module(CALLABLES)
    loaded = load(tmp_path / "utils.py")
    scoring_calls.refuse([Task(process_results=loaded.fine, metric_list=[])])
    for hook in (loaded.score, loaded.Scorer(), loaded.judge, partial(loaded.score, None)):
        with pytest.raises(RefusedError, match="Task 't' asks a service"):
            scoring_calls.refuse([Task(), Task(process_results=hook)])
    scoring_calls.refuse([Task(process_results=len)])


def test_a_task_that_is_a_program_of_its_own_is_read_as_a_whole(module, tmp_path):
    hook = module(CALLABLES, "Program")
    assert "Program uses requests" in why_not(**{"class": hook})
    program = load(tmp_path / "utils.py").Program()
    program.config = Config()
    with pytest.raises(RefusedError, match="Task 'p' asks a service"):
        scoring_calls.refuse([program])


@pytest.mark.parametrize("metrics", [[{}], ["acc"], "acc", 5, None, [{"metric": None}]])
def test_a_list_of_metrics_that_is_none_is_left_to_lm_eval(metrics):
    assert why_not(output_type="generate_until", metric_list=metrics) is None


def test_a_module_that_cannot_be_read_is_no_reason(module, tmp_path):
    assert why_not(process_results=module("def score(:")) is None
    assert why_not(process_results=f"{tmp_path}/nowhere.score") is None


def test_every_task_under_a_name_is_looked_at_before_any_is_loaded(module):
    bad = module("import openai\ndef score(d, r): return openai.ask(r)")
    index = {
        "fine": Entry(),
        "bad": Entry(cfg={"process_results": bad}),
        "all": Entry(Kind.GROUP, {"task": ["fine", "bad"]}),
    }
    scoring_calls.refuse_named("fine", index)
    with pytest.raises(RefusedError, match="Task 'bad'") as caught:
        scoring_calls.refuse_named("all", index)
    assert "jobs have no network" in caught.value.hint
    (line,) = list_refused.lines(index)
    assert line.startswith("bad\tasks a service")


def test_what_a_group_puts_over_its_tasks_is_looked_at_as_well(module):
    bad = module("import openai\ndef score(d, r): return openai.ask(r)")
    over = {"process_results": bad}
    index = {
        "fine": Entry(),
        "over": Entry(Kind.GROUP, {"task": ["fine"], **over}),
        "item": Entry(Kind.GROUP, {"task": [{"task": "fine", **over}]}),
        "inner": Entry(Kind.GROUP, {"task": [{"group": "g", "task": [{"task": "fine", **over}]}]}),
        "tag": Entry(Kind.TAG, tags={"over"}),
        "round": Entry(Kind.GROUP, {"task": ["round", "fine"]}),
    }
    scoring_calls.refuse_named("fine", index)
    scoring_calls.refuse_named("round", index)
    for name, told in [("over", "over"), ("item", "item: fine"), ("inner", "inner: fine")]:
        with pytest.raises(RefusedError, match=f"Task '{told}' asks a service"):
            scoring_calls.refuse_named(name, index)
    with pytest.raises(RefusedError, match="Task 'over'"):
        scoring_calls.refuse_named("tag", index)
