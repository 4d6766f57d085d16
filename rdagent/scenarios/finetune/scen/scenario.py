"""The fine-tuning scenario: which model, which tasks.  Making one does no I/O."""

from __future__ import annotations

from pathlib import Path

from rdagent.adapters.check import inspect_adapter
from rdagent.core.experiment import Task
from rdagent.core.settings import finetune_settings
from rdagent.demo import paths as demo
from rdagent.errors import AdapterInvalid
from rdagent.evaluation.request import request_from_settings


class LLMFinetuneScen:
    """Fine-tune a model, then measure it.

    The base model is ``base_model`` if given, else ``FT_BASE_MODEL``, else the one
    that the adapter at hand names, else the demo's.
    """

    def __init__(self, base_model: str | None = None) -> None:
        self._base_model = base_model

    @property
    def explicit_base_model(self) -> str | None:
        """The base model that the caller or ``FT_BASE_MODEL`` names, if either does."""
        return self._base_model or finetune_settings().base_model

    @property
    def base_model(self) -> str:
        """The base model's name or folder, as far as it is known without an adapter."""
        return self.explicit_base_model or str(demo.MODEL)

    def base_model_for(self, adapter: Path | None) -> str:
        """Return the base model for an adapter that may name its own."""
        if self.explicit_base_model or adapter is None:
            return self.base_model
        try:
            return inspect_adapter(adapter).base_model or str(demo.MODEL)
        except AdapterInvalid:
            return str(demo.MODEL)

    @property
    def background(self) -> str:
        """What someone needs to know to take part."""
        return (
            f"Fine-tune {self.base_model} with LoRA through LLaMA-Factory (train.yaml and "
            "dataset_info.json in the workspace); the adapter is then measured with "
            "lm-evaluation-harness."
        )

    def get_scenario_all_desc(self, task: Task | None = None) -> str:
        """Return the whole description."""
        tasks = ", ".join(request_from_settings(finetune_settings(), ()).tasks)
        described = f"\nTask: {task.get_task_information()}" if task else ""
        return f"{self.background}\nBenchmarks: {tasks}{described}"
