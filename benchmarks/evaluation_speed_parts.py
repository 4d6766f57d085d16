"""What ``evaluation_speed.py`` measures with: two tasks, eight adapters, a loop by hand."""

from __future__ import annotations

import json
from pathlib import Path

from rdagent.demo import paths

DOCUMENTS, ADAPTERS = 200, 8

_GENERATE = """\
task: speed_generate
dataset_path: json
dataset_kwargs: {data_files: {test: FILE}}
test_split: test
output_type: generate_until
doc_to_text: "{{prompt}}"
doc_to_target: "{{answer}}"
generation_kwargs: {until: ["<|im_end|>"], do_sample: false, temperature: 0.0, max_gen_toks: 32}
filter_list:
  - name: braces
    filter:
      - {function: regex, regex_pattern: "(.*)"}
      - {function: take_first}
metric_list: [{metric: exact_match, aggregation: mean, higher_is_better: true}]
"""
_CHOICE = """\
task: speed_choice
dataset_path: json
dataset_kwargs: {data_files: {test: FILE}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{prompt}}"
doc_to_choice: "{{choices}}"
doc_to_target: gold
metric_list: [{metric: acc, aggregation: mean, higher_is_better: true}]
"""

MAKE_ADAPTERS = """\
import sys
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

model, folder = sys.argv[1:]
for number in range(8):
    torch.manual_seed(number)
    base = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    lora = LoraConfig(task_type="CAUSAL_LM", r=8, lora_alpha=16, target_modules="all-linear")
    tuned = get_peft_model(base, lora)
    for name, weights in tuned.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weights, std=0.02)
    tuned.save_pretrained(f"{folder}/a{number}")
"""

LOOP = """\
import json, os, sys
from lm_eval import simple_evaluate
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
from peft import PeftModel

model, tasks, context, adapters = json.loads(sys.argv[1])
manager = TaskManager(include_path=tasks, include_defaults=False)
lm = HFLM(pretrained=model, dtype="float32", max_length=context, batch_size=16, device="cpu")
found = {}


def evaluate(name):
    results = simple_evaluate(
        model=lm, tasks=["speed_generate", "speed_choice"], task_manager=manager,
        apply_chat_template=True, log_samples=True,
    )["results"]
    found[name] = {
        "speed_generate": results["speed_generate"]["exact_match,braces"],
        "speed_choice": results["speed_choice"]["acc,none"],
    }


evaluate("base")
for number, folder in enumerate(adapters):
    if number == 0:
        lm._model = PeftModel.from_pretrained(lm.model, folder, adapter_name="a0").eval()
    else:
        lm.model.load_adapter(folder, adapter_name=f"a{number}")
        lm.model.set_adapter(f"a{number}")
    evaluate(os.path.basename(folder))
print(json.dumps(found))
"""


MENDED = """\
from rdagent.inside.evaluate.vllm_cpu_lora import mend
mend()
from lm_eval.__main__ import cli_evaluate
cli_evaluate()
"""


def write_tasks(folder: Path) -> None:
    """Write a task that generates and one that chooses, from the demo's items."""
    folder.mkdir()
    lines = (paths.TASK_FOLDER / "test.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines[:DOCUMENTS]]
    answers = sorted({row["answer"] for row in rows})
    for number, row in enumerate(rows):
        others = [text for text in answers if text != row["answer"]]
        choices = [others[(number * step) % len(others)] for step in (1, 7, 31)]
        gold = number % 4
        choices.insert(gold, row["answer"])
        row.update(choices=choices, gold=gold)
    for name, text in (("generate", _GENERATE), ("choice", _CHOICE)):
        data = folder / f"{name}.jsonl"
        data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        (folder / f"speed_{name}.yaml").write_text(text.replace("FILE", str(data)))
