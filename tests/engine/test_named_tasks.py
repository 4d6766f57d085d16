"""Tasks of lm_eval by name, on files: GSM8K and MATH-500 in jobs without a network."""

import json
import subprocess
from pathlib import Path

import pytest

from rdagent.core.experiment import FBWorkspace, Task
from rdagent.demo import paths
from rdagent.errors import RefusedError
from rdagent.evaluation.benchmarks import data_folder
from rdagent.evaluation.benchmarks_add import AddRequest, add
from rdagent.evaluation.request import EvaluationRequest, NamedVariant
from rdagent.evaluation.run import run
from rdagent.jobs.backends.docker import DockerBackend
from rdagent.scenarios.finetune.scen.scenario import LLMFinetuneScen
from rdagent.scenarios.finetune.train.benchmark import FTBenchmarkEvaluator

pytestmark = [pytest.mark.engine, pytest.mark.images, pytest.mark.data]
LIMIT = 3
#: lm_eval's own loading of the same file, without any of our code: what a prompt should be.
PROMPTS = """
import json, sys
import lm_eval.tasks, datasets
from lm_eval.tasks import TaskManager
rows = lambda name: datasets.Dataset.from_list([json.loads(l) for l in open(name)])
datasets.load_dataset = lambda path, name=None: {s: rows(f"/data/{s}.jsonl") for s in sys.argv[2:]}
task = TaskManager().load([sys.argv[1]])["tasks"][sys.argv[1]]
task.set_fewshot_seed(1234)
for doc in list(task.eval_docs)[:3]:
    print(json.dumps(task.fewshot_context(doc, task.config.num_fewshot or 0)))
"""


@pytest.fixture(scope="module")
def data(place: Path, images) -> Path:
    """GSM8K and MATH-500 as a user adds them."""
    import os

    source = Path(os.environ["RDAGENT_TEST_DATA"]) / "math"
    files = {role: source / "gsm8k" / f"{role}.jsonl" for role in ("test", "train")}
    add(AddRequest("gsm8k", files, {}), data_folder())
    for name in ("minerva_math500", "hendrycks_math500"):
        add(AddRequest(name, {"test": source / "math500" / "test.jsonl"}, {}), data_folder())
    return source


def asked(folder: Path, task: str) -> list[str]:
    """The prompts that a run's samples hold, in the order of the documents."""
    lines = (folder / f"samples_{task}.jsonl").read_text(encoding="utf-8").splitlines()
    rows = sorted((json.loads(line) for line in lines), key=lambda row: row["doc_id"])
    return list(dict.fromkeys(row["arguments"]["gen_args_0"]["arg_0"] for row in rows))


def lm_eval_asks(image: str, source: Path, task: str, *splits: str) -> list[str]:
    """The prompts that lm_eval alone makes of the same files."""
    command = ["docker", "run", "--rm", "--network", "none", "-v", f"{source}:/data:ro"]
    command += ["-e", "HF_HUB_OFFLINE=1", "-e", "HF_HOME=/tmp/hf", "--entrypoint", "python", image]
    made = subprocess.run(
        [*command, "-c", PROMPTS, task, *splits], capture_output=True, text=True, check=True
    )
    return [json.loads(line) for line in made.stdout.splitlines() if line.startswith('"')]


def test_gsm8k_by_name_asks_what_lm_eval_itself_asks(images, place, data):
    request = EvaluationRequest(
        tasks=("gsm8k",),
        base_model=str(paths.MODEL),
        chat_template=False,
        with_base=True,
        limit=LIMIT,
        engine="hf",
    )
    evaluation = run(request, DockerBackend())
    assert evaluation.status.reason == "ok"
    (base,) = evaluation.variants
    assert base.scores["gsm8k"].n == LIMIT
    expected = lm_eval_asks(images["lm-eval"], data / "gsm8k", "gsm8k", "test", "train")
    assert len(expected) == LIMIT
    assert asked(base.folder, "gsm8k") == expected
    manifest = json.loads((evaluation.folder / "manifest.json").read_text())
    assert manifest["data"][0]["folder"] == "openai--gsm8k/main"
    assert manifest["data"][0]["splits"]["test"]["rows"] == 1319


def test_math500_by_its_usual_name_is_scored(place, data, trained):
    evaluator = FTBenchmarkEvaluator(LLMFinetuneScen(), tasks=["math500"], limit=LIMIT)
    workspace = FBWorkspace(place / "workspace")
    feedback = evaluator.evaluate(Task(name="math"), workspace, None)
    assert feedback.final_decision, feedback.return_checking
    assert feedback.scores["minerva_math500"].n == LIMIT
    assert "math500 was taken as minerva_math500" in feedback.return_checking


def test_both_engines_ask_the_same(place, data):
    prompts = []
    for engine in ("hf", "vllm"):
        request = EvaluationRequest(
            tasks=("hendrycks_math500",),
            base_model=str(paths.MODEL),
            chat_template=False,
            with_base=True,
            limit=LIMIT,
            engine=engine,
        )
        evaluation = run(request, DockerBackend())
        assert evaluation.status.reason == "ok", evaluation.log_tail
        prompts.append(asked(evaluation.variants[0].folder, "hendrycks_math500"))
    assert prompts[0] == prompts[1]


def test_a_wrong_column_is_refused_before_a_model_is_loaded(images, place, data, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"frage": "Wie viele?", "answer": "#### 1"}\n' * 9)
    files = {role: tmp_path / "a.jsonl" for role in ("validation", "train")}
    add(AddRequest("hellaswag", files, {}), data_folder())
    request = EvaluationRequest(tasks=("hellaswag",), base_model=str(paths.MODEL), with_base=True)
    evaluation = run(request, DockerBackend())
    assert evaluation.status.reason == "refused"
    assert "do not fit" in evaluation.message
    assert "frage" in evaluation.message
    assert "Loading weights" not in evaluation.log_tail


def test_what_is_not_here_is_refused_by_name_and_starts_nothing(place, data):
    request = EvaluationRequest(
        tasks=("gsm8k", "mmlu"),
        base_model=str(paths.MODEL),
        variants=(NamedVariant("adapter", place / "workspace" / "output"),),
    )
    with pytest.raises(RefusedError, match=r"the data of mmlu \(57 tasks\)"):
        run(request, DockerBackend())


SERVED = """
import datasets, json
from pathlib import Path
from rdagent.inside.evaluate.local_data import in_place_of_the_hub
with in_place_of_the_hub(Path("/data")) as served:
    found = datasets.load_dataset("openai/gsm8k", "main")
    empty = found["train"]
print(json.dumps([found["test"][0], found["test"][1], len(empty), empty.column_names]))
try:
    with in_place_of_the_hub(Path("/data")):
        datasets.load_dataset("Rowan/hellaswag")
except Exception as error:
    print(type(error).__name__)
"""


def test_rows_are_served_as_they_were_written(images, tmp_path):
    rows = [{"question": "2024-01-01", "answer": "007"}, {"question": "a", "late": [1]}]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    add(AddRequest("gsm8k", {"test": path}, {}), tmp_path / "served")
    command = ["docker", "run", "--rm", "--network", "none", "-v", f"{tmp_path}/served:/data:ro"]
    command += ["-e", "HF_HUB_OFFLINE=1", "-e", "HF_HOME=/tmp/hf", "--entrypoint", "python"]
    made = subprocess.run(
        [*command, images["lm-eval"], "-c", SERVED], capture_output=True, text=True, check=True
    )
    served, refused = made.stdout.strip().splitlines()
    # A date stays a text, a column that comes late is kept, a split that lacks is empty.
    assert json.loads(served) == [
        {"question": "2024-01-01", "answer": "007", "late": None},
        {"question": "a", "answer": None, "late": [1]},
        0,
        ["question", "answer", "late"],
    ]
    assert refused == "ConnectionError"
