"""The committed list of keys, and our refusals, against LLaMA-Factory's own parser."""

import json
from pathlib import Path
from typing import Any

import pytest

import docker
from rdagent.errors import UsageError
from rdagent.training.config import read_config
from rdagent.training.keys import LIST_FILE

pytestmark = [pytest.mark.engine, pytest.mark.images]

BASE = {
    "model_name_or_path": "model",
    "do_train": True,
    "dataset": "data",
    "output_dir": "output",
    "report_to": "none",
}
SFT = {
    **BASE,
    "stage": "sft",
    "finetuning_type": "lora",
    "lora_rank": 8,
    "lora_target": "all",
    "dataset": "identity,alpaca_en_demo",
    "template": "llama3",
    "cutoff_len": 2048,
    "max_samples": 1000,
    "overwrite_cache": True,
    "preprocessing_num_workers": 16,
    "dataloader_num_workers": 4,
    "logging_steps": 10,
    "save_steps": 500,
    "plot_loss": True,
    "overwrite_output_dir": True,
    "save_only_model": False,
    "per_device_train_batch_size": 1,
    "gradient_accumulation_steps": 8,
    "learning_rate": 1.0e-4,
    "num_train_epochs": 3.0,
    "lr_scheduler_type": "cosine",
    "warmup_ratio": 0.1,
    "ddp_timeout": 180000000,
    "resume_from_checkpoint": None,
    "trust_remote_code": True,
}
EVALUATED = {
    "val_size": 0.1,
    "per_device_eval_batch_size": 1,
    "eval_strategy": "steps",
    "eval_steps": 500,
}
#: What LLaMA-Factory's own examples say, kind by kind.
ACCEPTED: dict[str, dict[str, Any]] = {
    "sft": SFT,
    "sft with evaluation": {**SFT, **EVALUATED},
    "pretraining": {**SFT, "stage": "pt", "dataset": "c4_demo"},
    "reward": {**SFT, "stage": "rm", **EVALUATED},
    "dpo": {**SFT, "stage": "dpo", "pref_beta": 0.1, "pref_loss": "sigmoid"},
    "kto": {**SFT, "stage": "kto", "pref_beta": 0.1},
    "ppo": {**SFT, "stage": "ppo", "reward_model": "r", "max_new_tokens": 512, "top_k": 0},
    "quantized": {**SFT, "quantization_bit": 4, "quantization_method": "bnb"},
    "full": {**SFT, "finetuning_type": "full"},
    "freeze": {**SFT, "finetuning_type": "freeze", "freeze_trainable_layers": 8},
    "lora plus": {**SFT, "loraplus_lr_ratio": 16.0},
    "pissa": {**SFT, "pissa_init": True, "pissa_iter": 16, "pissa_convert": True},
    "targets as a list": {**SFT, "lora_target": ["q_proj", "v_proj"]},
    "packing": {**SFT, "neat_packing": True, "flash_attn": "fa2"},
    "mixing": {**SFT, "mix_strategy": "interleave_under", "interleave_probs": "0.5,0.5"},
    "thinking": {**SFT, "template": "qwen3", "enable_thinking": False},
    "odd numbers": {**SFT, "lora_alpha": 12.5, "warmup_steps": 0.1, "val_size": 20},
}
REFUSED: dict[str, dict[str, Any]] = {
    "unknown key": {**SFT, "lora_rnak": 8},
    "wrong method": {**SFT, "finetuning_type": "Lora"},
    "no as false": {**SFT, "save_strategy": False},
    "wrong scheduler": {**SFT, "lr_scheduler_type": "cosin"},
    "wrong optimizer": {**SFT, "optim": "adamw"},
    "steps as text": {**SFT, "logging_steps": "10"},
    "ratio as text": {**SFT, "warmup_ratio": "0.1"},
}
_ASK = """
import contextlib, json, sys
with contextlib.redirect_stdout(sys.stderr):
    from llamafactory.hparams import get_train_args
    said = {}
    for name, values in json.loads(sys.argv[1]).items():
        try:
            get_train_args(values)
        except Exception as error:
            said[name] = type(error).__name__ + ": " + str(error)
        else:
            said[name] = None
print(json.dumps(said))
"""


def inside(image: str, *arguments: str) -> str:
    output = docker.from_env().containers.run(
        image,
        list(arguments),
        entrypoint="python",
        environment={"HF_HUB_OFFLINE": "1"},
        network_mode="none",
        remove=True,
        stdout=True,
        stderr=False,
    )
    return output.decode()


@pytest.fixture(scope="module")
def said(images: dict[str, str]) -> dict[str, str | None]:
    """What LLaMA-Factory says of every configuration; None where it accepts it."""
    asked = json.dumps({**ACCEPTED, **REFUSED})
    return json.loads(inside(images["train"], "-c", _ASK, asked))


def refusal(values: dict[str, Any], folder: Path) -> str | None:
    path = folder / "train.json"
    path.write_text(json.dumps(values))
    try:
        read_config(path)
    except UsageError as error:
        return error.message
    return None


def test_the_committed_list_is_what_the_installed_llama_factory_says(images):
    assert inside(images["train"], "-m", "rdagent.inside.train.list_keys") == LIST_FILE.read_text()


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_llama_factory_accepts_is_accepted(name, said, tmp_path):
    assert said[name] is None
    assert refusal(ACCEPTED[name], tmp_path) is None


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_llama_factory_would_refuse_too(name, said, tmp_path):
    assert said[name] is not None
    assert refusal(REFUSED[name], tmp_path) is not None
