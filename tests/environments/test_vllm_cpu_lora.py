"""Our functions for adapters on vLLM's CPU build against vLLM's own, row by row."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from rdagent.jobs.environments import plan_environment

pytestmark = [pytest.mark.environments, pytest.mark.timeout(300)]

_INSIDE = """
import json
import torch
from vllm.lora.ops.torch_ops import lora_ops
from vllm.lora.punica_wrapper import punica_cpu

from rdagent.inside.evaluate.vllm_cpu_lora import mend

theirs = {name: getattr(lora_ops, name) for name in ("bgmv_shrink", "bgmv_expand")}
their_slice = lora_ops.bgmv_expand_slice
mend()
torch.manual_seed(0)
rows, hidden, rank, wide = 12, 32, 8, 40
x, small = torch.randn(rows, hidden), torch.randn(rows, rank)
down, up = torch.randn(2, 1, rank, hidden), torch.randn(2, 1, wide, rank)


def both(call):
    outputs = [torch.ones(rows, wide), torch.ones(rows, wide)]
    for function, output in zip(call[0], outputs):
        call[1](function, output)
    return float((outputs[0] - outputs[1]).abs().max())


def indices(*numbers):
    return torch.tensor((numbers * rows)[:rows])


found = {}
for name, at in (("first", indices(0)), ("second", indices(1)), ("mixed", indices(0, 1))):
    found[f"shrink {name}"] = both(
        ((theirs["bgmv_shrink"], punica_cpu.bgmv_shrink), lambda f, o: f(x, down, o, at, 2.0))
    )
    for adds in (True, False):
        found[f"expand {name} {adds}"] = both(
            ((theirs["bgmv_expand"], lora_ops.bgmv_expand), lambda f, o: f(small, up, o, at, adds))
        )
        found[f"slice {name} {adds}"] = both(
            (
                (their_slice, lora_ops.bgmv_expand_slice),
                lambda f, o: f(small, up[:, :, :16], o, at, 4, 16, adds),
            )
        )
output = torch.ones(rows, wide)
lora_ops.bgmv_expand(small, up, output, indices(-1), True)
found["without an adapter nothing is added"] = float((output - 1).abs().max())
lora_ops.bgmv_shrink(x, down, output, indices(-1), 1.0)
found["without an adapter nothing is kept"] = float(output.abs().max())
# The log-probabilities of prompts: the indices are those of fewer, sampled rows.
output = torch.zeros(rows, wide)
lora_ops.bgmv_expand(small, up, output, torch.tensor([1, 1, 1]), True)
found["rows beyond the sampled ones"] = float((output - small @ up[1, 0].T).abs().max())
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def differences(environments):
    python = plan_environment("lm-eval").libraries / "bin" / "python"
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [str(python), "-c", _INSIDE],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(root), "VLLM_LOGGING_LEVEL": "ERROR"},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_one_adapter_for_all_rows_gives_what_vllms_own_functions_give(differences):
    ours = {name: value for name, value in differences.items() if "adapter" not in name}
    assert len(ours) == 16
    assert max(ours.values()) < 1e-5, ours


def test_rows_without_an_adapter_are_the_bases(differences):
    assert differences["without an adapter nothing is added"] == 0.0
    assert differences["without an adapter nothing is kept"] == 0.0


def test_prompts_whose_rows_outnumber_the_sampled_ones_get_their_adapter(differences):
    assert differences["rows beyond the sampled ones"] < 1e-5
