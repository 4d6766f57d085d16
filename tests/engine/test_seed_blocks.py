"""The code blocks of the benchmark document that users have, run as they are printed."""

import os
from pathlib import Path

import pytest

from rdagent.demo import mini_home, paths
from rdagent.evaluation.benchmarks import data_folder
from rdagent.evaluation.benchmarks_add import AddRequest, add

pytestmark = [
    pytest.mark.engine,
    pytest.mark.images,
    pytest.mark.data,
    pytest.mark.timeout(1800),
]

#: What the blocks take for granted: the names that they use, and a trained workspace.
PROLOGUE = """\
from rdagent.core.experiment import FBWorkspace, Task
from rdagent.scenarios.finetune.train.benchmark import FTBenchmarkEvaluator, LLMFinetuneScen
scen, task, workspace = LLMFinetuneScen(), Task(name="mine"), FBWorkspace(workspace_path)
"""

BLOCK_4_2 = """\
from rdagent.scenarios.finetune.train.benchmark import FTBenchmarkEvaluator

# 创建评估器
evaluator = FTBenchmarkEvaluator(
    scen=scen,
    tasks=["gsm8k", "mmlu"],  # 指定任务
    limit=10,  # 限制样本数 (快速测试)
)

# 执行评估
feedback = evaluator.evaluate(
    target_task=task,
    implementation=workspace,
    gt_implementation=None,
)

# 查看结果
print(feedback.return_checking)  # 评估报告
print(feedback.code)             # 平均分数
"""

BLOCK_6_3 = """\
def test_benchmark_quick():
    \"\"\"快速测试\"\"\"
    # 创建场景
    scen = LLMFinetuneScen()
    
    # 创建评估器 (限制10个样本)
    evaluator = FTBenchmarkEvaluator(
        scen=scen,
        tasks=["gsm8k"],
        limit=10,
    )
    
    # 创建workspace
    workspace = FBWorkspace(workspace_path)
    task = Task(name="test_benchmark")
    
    # 运行评估
    feedback = evaluator.evaluate(task, workspace, None)
    
    # 打印结果
    print("执行状态:", feedback.execution)
    print("评估结果:", feedback.return_checking)
    print("平均分数:", feedback.code)
"""  # noqa: W293 - as printed

BLOCK_12 = """\
# 1. 导入
from rdagent.scenarios.finetune.train.benchmark import FTBenchmarkEvaluator
from rdagent.scenarios.finetune.scen.scenario import LLMFinetuneScen

# 2. 创建
scen = LLMFinetuneScen()
evaluator = FTBenchmarkEvaluator(scen=scen, tasks=["gsm8k"], limit=10)

# 3. 评估
feedback = evaluator.evaluate(task, workspace, None)

# 4. 查看
print(feedback.return_checking)
"""


@pytest.fixture(scope="module")
def world(place: Path, images, trained):
    """A trained workspace, and GSM8K added from files."""
    source = Path(os.environ["RDAGENT_TEST_DATA"]) / "math" / "gsm8k"
    files = {role: source / f"{role}.jsonl" for role in ("test", "train")}
    add(AddRequest("gsm8k", files, {}), data_folder())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FT_BENCHMARK_INCLUDE", str(paths.TASK_FOLDER))
        patch.setenv("FT_BASE_MODEL", str(paths.MODEL))
        # The tiny model never stops by itself on such questions: short answers, short tests.
        patch.setenv("FT_BENCHMARK_MAX_GEN_TOKS", "16")
        yield {"workspace_path": str(place / "workspace")}


def run(block: str, world: dict[str, object]) -> dict[str, object]:
    names = dict(world)
    exec(compile(PROLOGUE + block, "<block>", "exec"), names)  # noqa: S102 - our own text
    return names


def test_block_6_3_runs_as_printed(world, capsys):
    run(BLOCK_6_3 + "\ntest_benchmark_quick()\n", world)
    shown = capsys.readouterr().out
    assert "执行状态: Benchmark completed: 1/1 tasks evaluated" in shown
    assert "gsm8k: " in shown
    assert "n=10" in shown
    assert "平均分数: " in shown


def test_block_12_runs_as_printed(world, capsys):
    names = run(BLOCK_12, world)
    assert "gsm8k: " in capsys.readouterr().out
    assert names["feedback"].final_decision is True
    assert names["feedback"].scores["gsm8k"].n == 10


def test_block_4_2_names_the_data_that_are_not_here(world, capsys):
    feedback = run(BLOCK_4_2, world)["feedback"]
    shown = capsys.readouterr().out
    assert "the data of mmlu (57 tasks) are not on this machine" in feedback.execution
    assert "rdagent benchmarks fetch mmlu" in shown
    assert (feedback.reason, feedback.final_decision) == ("refused", False)


def test_block_4_2_runs_with_a_task_that_is_here(world, capsys):
    names = run(BLOCK_4_2.replace('"mmlu"', f'"{mini_home.TASK}"'), world)
    shown = capsys.readouterr().out
    assert "gsm8k: " in shown
    assert "demo_home: " in shown
    assert names["feedback"].final_decision is True
    assert float(names["feedback"].code) >= 0
