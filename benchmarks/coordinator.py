"""What a request costs beside the model: engine scripted, no delay, 1 k to 100 k requests.

``python benchmarks/coordinator.py [COUNT ...]`` prints two tables.  The first answers a
plan that lies on a disk, as the host does for a server: nothing of lm_eval is loaded.
The second is the whole of it in the evaluation's environment: plan, answer, score.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rdagent.demo import paths
from rdagent.jobs.backends.choose import choose_backend
from rdagent.jobs.environments import plan_environment
from rdagent.records.plan import Plan, Request
from rdagent.records.requests import EvaluateRequest, Variant

COUNTS = (1_000, 10_000, 100_000)
PROMPT = "A prompt of about half a kilobyte. " * 14
_TASK = """\
task: many
dataset_path: json
dataset_kwargs: {{data_files: {{test: {file}}}}}
test_split: test
output_type: generate_until
doc_to_text: "{{{{prompt}}}}"
doc_to_target: "{{{{answer}}}}"
generation_kwargs: {{until: ["\\n"], do_sample: false, max_gen_toks: 8}}
metric_list: [{{metric: exact_match, aggregation: mean, higher_is_better: true}}]
"""
_ANSWER_ONLY = """\
import sys, time
from pathlib import Path
from rdagent.inside.evaluate import answering
from rdagent.inside.evaluate.scripted_engine import ScriptedEngine
from rdagent.records.ledger import Ledger
from rdagent.records.plan import read_requests
from rdagent.records.progress import ProgressLog
from rdagent.records.requests import Variant

plan, script, out = map(Path, sys.argv[1:])


def most_memory():
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


before = most_memory()
engine = ScriptedEngine.read(script)
engine.use(Variant("base", "none"))
began = time.perf_counter()
progress = ProgressLog(out, "base", total=10**9)
progress.begin()
answering.answer(engine, read_requests(plan), Ledger(), out / "ledger.jsonl", progress)
seconds = time.perf_counter() - began
print(seconds, before, most_memory())
"""


def answer_only(folder: Path, script: Path, count: int) -> str:
    """Return the row of one count for answering alone."""
    requests = (
        Request("generate", f"{number:064x}", 0, (f"{PROMPT}{number}", {}), number // 64, 100)
        for number in range(count)
    )
    Plan("digest", (), {}, {}, {}).write(folder / f"plan{count}", requests)
    out = folder / f"out{count}"
    out.mkdir()
    words = [sys.executable, "-c", _ANSWER_ONLY, str(folder / f"plan{count}"), str(script)]
    done = subprocess.run([*words, str(out)], check=True, capture_output=True, text=True)
    seconds, before, peak = map(float, done.stdout.split())
    more = (peak - before) / 1024
    return f"| {count:,} | {seconds / count * 1e6:.0f} µs | {peak / 1024:.0f} MB | {more:.0f} MB |"


def whole(folder: Path, script: Path, python: Path, count: int) -> str:
    """Return the row of one count for plan, answer and score."""
    tasks, out = folder / f"tasks{count}", folder / f"whole{count}"
    tasks.mkdir()
    data = tasks / "data.jsonl"
    with data.open("w") as lines:
        for number in range(count):
            lines.write(json.dumps({"prompt": f"{PROMPT}{number}", "answer": "no"}) + "\n")
    (tasks / "many.yaml").write_text(_TASK.format(file=data))
    request = EvaluateRequest(
        variants=(Variant("base", str(paths.MODEL)),),
        tasks=("many",),
        output=str(out),
        engine="scripted",
        include=(str(tasks),),
        script=str(script),
        chat_template=False,
    )
    path = folder / f"request{count}.json"
    path.write_text(json.dumps(request.to_json()))
    root = str(Path(__file__).resolve().parents[1])
    began = time.perf_counter()
    subprocess.run(
        [str(python), "-m", "rdagent.inside.evaluate", str(path)],
        check=True,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": root, "HF_HOME": str(folder / "hf")},
    )
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    said = json.loads((out / "variants" / "base" / "variant.json").read_text())["seconds"]
    parts = ", ".join(f"{name} {said[name]:.1f}" for name in ("plan", "answer", "score"))
    return f"| {count:,} | {seconds:.1f} s ({parts}) | {peak:.0f} MB |"


def main() -> None:
    """Print both tables."""
    counts = [int(word) for word in sys.argv[1:]] or COUNTS
    os.environ["FT_ENV"] = "local"
    choose_backend().ensure("lm-eval", "cpu", progress=print)
    python = plan_environment("lm-eval").libraries / "bin" / "python"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        script = folder / "script.json"
        script.write_text(json.dumps({"default": "no"}))
        print("| requests | time for one | most memory | more than at the start |")
        print("| --- | --- | --- | --- |")
        for count in counts:
            print(answer_only(folder, script, count), flush=True)
        print("\n| requests | all in | most memory |\n| --- | --- | --- |")
        for count in counts:  # the children's peak is that of the largest so far
            print(whole(folder, script, python, count), flush=True)


if __name__ == "__main__":
    main()
