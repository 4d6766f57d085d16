"""What the process is told by variables, and what it settles before torch is imported.

``TRAIN_CONFIG`` and ``BASE_MODEL`` make a request for a plain ``docker run`` of the
training image; with the host package a request file says all that.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

from rdagent.records.requests import TrainRequest

DEFAULT_CONFIG = "/workspace/train.yaml"
OUTPUT_FOLDER = "output"
#: What the host asks for too, in ``training/overrides``; a test holds the two together.
POLICY: Mapping[str, Any] = {
    "overwrite_output_dir": True,
    "resume_from_checkpoint": None,
    "report_to": "none",
    "logging_nan_inf_filter": False,
    "disable_tqdm": True,
}
_DEFAULTS = {
    # Threads that wait by spinning slow each other down fourfold on cores that are shared.
    "OMP_WAIT_POLICY": "PASSIVE",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    # As LLaMA-Factory's own launcher sets them.
    "PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True",
    "TORCH_NCCL_AVOID_RECORD_STREAMS": "1",
}


def request_from_environment(variables: Mapping[str, str]) -> TrainRequest:
    """Return the request that the variables make."""
    config = Path(variables.get("TRAIN_CONFIG") or DEFAULT_CONFIG).absolute()
    overrides = dict(POLICY)
    if model := variables.get("BASE_MODEL"):
        overrides["model_name_or_path"] = model
    output = config.parent / OUTPUT_FOLDER
    return TrainRequest(str(config), str(config.parent), str(output), overrides)


def settle(variables: MutableMapping[str, str]) -> None:
    """Set what the libraries read once, at their import; what is set already stays."""
    for name, value in _DEFAULTS.items():
        variables.setdefault(name, value)
