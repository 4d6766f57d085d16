"""A script that tries the evaluator: ``python test_benchmark.py [full] [WORKSPACE]``.

Quick looks at 10 items, full at all of them.  It runs on the ``FT_`` settings if a
model or tasks are set there, else on the demo's model and task.  It is no test of
the test suite, and nothing happens when it is imported.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from rdagent.core.experiment import FBWorkspace, Task
from rdagent.core.feedback import CoSTEERSingleFeedback
from rdagent.demo import mini_home, paths
from rdagent.errors import RDAgentError
from rdagent.files.printable import printable
from rdagent.scenarios.finetune.scen.scenario import LLMFinetuneScen
from rdagent.scenarios.finetune.train.benchmark import ADAPTER_FOLDER, FTBenchmarkEvaluator
from rdagent.scenarios.finetune.train.demo_workspace import ready_demo_workspace

QUICK_LIMIT = 10


def main() -> int:
    """Evaluate and print; the exit code is 0 when the decision is positive."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("size", nargs="?", choices=["quick", "full"], default="quick")
    parser.add_argument("workspace", nargs="?", type=Path, help=f"folder with {ADAPTER_FOLDER}/")
    arguments = parser.parse_args()
    limit = QUICK_LIMIT if arguments.size == "quick" else None
    try:
        feedback = _evaluate(arguments.workspace, limit)
    except RDAgentError as error:
        print(f"rdagent: {printable(str(error))}", file=sys.stderr)
        return error.exit_code
    _print(feedback)
    return 0 if feedback.final_decision else 6


def _evaluate(folder: Path | None, limit: int | None) -> CoSTEERSingleFeedback:
    scen = LLMFinetuneScen()
    if os.environ.get("FT_BASE_MODEL") or os.environ.get("FT_BENCHMARK_DATASETS"):
        workspace = FBWorkspace(folder or Path.cwd())
        evaluator = FTBenchmarkEvaluator(scen, limit=limit)
        print(f"On the FT_ settings: {scen.base_model}, tasks {', '.join(evaluator.tasks)}")
    else:
        workspace = FBWorkspace(folder or ready_demo_workspace())
        evaluator = FTBenchmarkEvaluator(
            scen, tasks=[mini_home.TASK], limit=limit, include=[paths.TASK_FOLDER]
        )
        print(f"No FT_ settings: on the demo's model {paths.MODEL_NAME}, task {mini_home.TASK}")
    print(f"Workspace: {workspace.workspace_path}")
    print(f"Items: {'all' if limit is None else limit}")
    return evaluator.evaluate(Task(name="test_benchmark"), workspace, None)


def _print(feedback: CoSTEERSingleFeedback) -> None:
    print("执行状态:", printable(feedback.execution))
    print("评估结果:", printable(feedback.return_checking or ""), sep="\n")
    print("平均分数:", printable(feedback.code))
    print("final_decision:", feedback.final_decision)


if __name__ == "__main__":
    sys.exit(main())
