"""Likelihoods from shared beginnings against lm_eval's own on vLLM, choice by choice."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from rdagent.demo import paths
from rdagent.jobs.environments import plan_environment

pytestmark = [pytest.mark.environments, pytest.mark.timeout(300)]

_INSIDE = """
import json
import sys
from lm_eval.api.instance import Instance
from lm_eval.models.vllm_causallms import VLLM

from rdagent.inside.evaluate import vllm_prefixes

lm = VLLM(
    pretrained=sys.argv[1], dtype="float32", max_model_len=512, gpu_memory_utilization=0.1,
    enforce_eager=True, batch_size=1 << 30,
)
# Contexts around the ends of the cache's blocks; answers that begin like others, and longer ones.
pairs = [
    ("the lamp of room %d is on, " % number * times + "and so", answer)
    for number in range(3)
    for times in (4, 8, 12, 13, 16)
    for answer in (" on", " on", " on and then off", " off", " on and then off again, slowly")
]


def ask():
    lm.model.reset_prefix_cache()
    instances = [Instance("loglikelihood", {}, pair, i) for i, pair in enumerate(pairs)]
    rolling = [Instance("loglikelihood_rolling", {}, (pair[0] * 3,), i) for i, pair in
               enumerate(pairs[:10])]
    return lm.loglikelihood(instances), lm.loglikelihood_rolling(rolling)


calls = []
original = lm.model.generate


def generate(prompts, **told):
    outputs = original(prompts, **told)
    calls.append([output.num_cached_tokens or 0 for output in outputs])
    return outputs


lm.model.generate = generate
alone = ask()
found = {"cached alone": sum(map(sum, calls))}
vllm_prefixes.share(lm)
calls.clear()
shared = ask()
found["cached"] = sum(map(sum, calls))
found["asked again"] = sum(len(call) == 1 for call in calls)
found["apart"] = max(abs(one[0] - other[0]) for one, other in zip(alone[0], shared[0]))
found["rolling apart"] = max(abs(one - other) for one, other in zip(alone[1], shared[1]))
found["greedy differs"] = sum(one[1] != other[1] for one, other in zip(alone[0], shared[0]))
vllm_prefixes.has_room = lambda *told: False
calls.clear()
ask()
found["cached without room"] = sum(map(sum, calls))
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found(environments: None) -> dict[str, Any]:
    libraries = plan_environment("lm-eval").libraries
    told = {
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
        "HF_HUB_OFFLINE": "1",
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "TORCHDYNAMO_DISABLE": "1",
        "VLLM_LOGGING_LEVEL": "ERROR",
        "OMP_WAIT_POLICY": "PASSIVE",
    }
    done = subprocess.run(
        [str(libraries / "bin" / "python"), "-c", _INSIDE, str(paths.MODEL)],
        env={**os.environ, **told},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    document: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return document


def test_the_beginning_of_several_choices_is_read_once(found: dict[str, Any]) -> None:
    assert found["cached alone"] == 0
    assert found["cached"] > 1000


def test_likelihoods_are_those_of_lm_eval(found: dict[str, Any]) -> None:
    assert found["apart"] < 1e-4
    assert found["rolling apart"] < 1e-3
    assert found["greedy differs"] == 0


def test_an_answer_of_which_too_much_was_cached_is_asked_again(found: dict[str, Any]) -> None:
    assert found["asked again"] > 0


def test_nothing_is_read_from_a_cache_without_room_for_all(found: dict[str, Any]) -> None:
    assert found["cached without room"] == 0
