"""Turn pickled adapter weights into safetensors: ``python -m ...convert SOURCE OUTPUT``.

Run in a sealed job; only tensors are unpickled.  The file is read back and compared,
and ``status.json`` is written last.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rdagent.errors import AdapterInvalid, RDAgentError
from rdagent.inside.evaluate import failures
from rdagent.records.status import InsideStatus

CONVERTED = "adapter_model.safetensors"


def main(arguments: Sequence[str] | None = None) -> int:
    """Convert; the status is in the file, the exit code only agrees with it."""
    source, output = sys.argv[1:] if arguments is None else arguments
    status = _guarded(Path(source), Path(output))
    status.write(Path(output))
    return 0 if status.reason == "ok" else 1


def _guarded(source: Path, output: Path) -> InsideStatus:
    try:
        count = convert(source, output / CONVERTED)
    except RDAgentError as error:
        return failures.describe(error)
    except Exception as error:
        return failures.describe(error)
    return InsideStatus("ok", f"{count} tensors converted")


def convert(source: Path, target: Path) -> int:
    """Write the tensors of a pickle as safetensors; raises AdapterInvalid when it holds others."""
    from safetensors.torch import load_file, save_file

    tensors = _read(source)
    save_file(tensors, str(target), metadata={"format": "pt"})
    written = load_file(str(target))
    if written.keys() != tensors.keys():
        raise AdapterInvalid("the converted file does not hold what the pickle held")
    for name, tensor in tensors.items():
        # Compared by their bytes: a NaN is not equal to itself.
        same = written[name].dtype == tensor.dtype and written[name].shape == tensor.shape
        if not same or _bytes(written[name]) != _bytes(tensor):
            raise AdapterInvalid(f"{name} was not converted faithfully")
    return len(tensors)


def _read(source: Path) -> dict[str, Any]:
    import torch

    try:
        found = torch.load(source, map_location="cpu", weights_only=True)
    except Exception as error:
        if failures.is_memory(error):
            raise
        raise AdapterInvalid(
            f"{source.name} holds more than tensors, or is damaged: {type(error).__name__}",
            hint="save the adapter again with safe_serialization=True where it was trained",
        ) from error
    if not isinstance(found, dict) or not found:
        raise AdapterInvalid(f"{source.name} does not map names to tensors")
    wrong = [str(name) for name, value in found.items() if not isinstance(value, torch.Tensor)]
    if wrong or not all(isinstance(name, str) for name in found):
        raise AdapterInvalid(f"{source.name} holds {wrong[:1]} that is no tensor")
    # Tensors that share memory, or lie in it with gaps, have no place in safetensors.
    return {name: tensor.detach().clone().contiguous() for name, tensor in found.items()}


def _bytes(tensor: Any) -> bytes:
    import torch

    flat = tensor.reshape(-1).view(torch.uint8) if tensor.numel() else tensor
    return bytes(flat.numpy().tobytes())


if __name__ == "__main__":
    sys.exit(main())
