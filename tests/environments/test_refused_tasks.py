"""What the scoring of lm_eval's own tasks does, read from the very files that will run."""

import os
import subprocess
from pathlib import Path

import pytest

from rdagent.jobs.environments import plan_environment

pytestmark = [pytest.mark.environments, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
REFUSED = {
    "asks a service": ("pisa_en_llm_judged", "realtoxicityprompts"),
    "loads a model of its own": (
        "careqa_open",
        "meddialog_qsumm",
        "mediqa_qa2019",
        "medtext",
        "meqsum",
        "mimic_repsum",
        "mts_dialog",
        "olaph",
    ),
    "loads a metric's code from the hub": (
        "darija_summarization",
        "polemo2_in",
        "squadv2",
        "scrolls_qasper",
        "xlsum_oromo_prompt_1",
    ),
    "runs code": ("humaneval", "humaneval_instruct", "mbpp"),
}
PASSED = (
    "aime24 arc_ bbh_ ceval-valid cmmlu drop gpqa_ gsm8k hellaswag hendrycks_math ifeval kobest_"
    " lambada_ leaderboard_ mgsm_ minerva_math mmlu ruler triviaqa truthfulqa_ winogrande"
)


@pytest.fixture(scope="module")
def reasons(environments):
    assert environments  # they are there: their libraries can be read
    python = plan_environment("lm-eval").libraries / "bin" / "python"
    done = subprocess.run(
        [python, "-m", "rdagent.inside.evaluate.list_refused"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"},
    )
    return dict(line.split("\t") for line in done.stdout.splitlines())


@pytest.mark.parametrize(
    ("name", "why"), [(name, why) for why, names in REFUSED.items() for name in names]
)
def test_a_task_whose_scoring_is_more_than_computing_is_refused(reasons, name, why):
    assert reasons[name].startswith(why)


@pytest.mark.parametrize("beginning", PASSED.split())
def test_tasks_that_compute_their_scores_are_not_refused(reasons, beginning):
    assert [name for name in reasons if name.startswith(beginning)] == []


def test_few_of_the_tasks_are_refused(reasons):
    assert 100 < len(reasons) < 300
