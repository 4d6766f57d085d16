"""How long the check of an adapter takes: a 7B model's, rank 64, on all linear layers.

``python benchmarks/adapter_check.py`` writes the adapter with random numbers, checks it
with a warm page cache, and prints medians; in the same run a plain read of the file.
"""

from __future__ import annotations

import json
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy

from rdagent.adapters.check import check_adapter

ROUNDS = 7
HIDDEN, KV, INNER, LAYERS, RANK = 4096, 1024, 14336, 32, 64
SIZES = {
    "self_attn.q_proj": (HIDDEN, HIDDEN),
    "self_attn.k_proj": (HIDDEN, KV),
    "self_attn.v_proj": (HIDDEN, KV),
    "self_attn.o_proj": (HIDDEN, HIDDEN),
    "mlp.gate_proj": (HIDDEN, INNER),
    "mlp.up_proj": (HIDDEN, INNER),
    "mlp.down_proj": (INNER, HIDDEN),
}
TYPES = {"BF16": 2, "F16": 2, "F32": 4}


def write_adapter(folder: Path, dtype: str) -> Path:
    """Write the adapter with random numbers; returns its weights' file."""
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": RANK,
        "lora_alpha": RANK,
        "target_modules": [name.split(".")[1] for name in SIZES],
        "base_model_name_or_path": "none",
    }
    (folder / "adapter_config.json").write_text(json.dumps(config))
    shapes = {}
    for layer in range(LAYERS):
        for name, (inputs, outputs) in SIZES.items():
            place = f"base_model.model.model.layers.{layer}.{name}"
            shapes[f"{place}.lora_A.weight"] = (RANK, inputs)
            shapes[f"{place}.lora_B.weight"] = (outputs, RANK)
    header, place = {}, 0
    for name, shape in shapes.items():
        size = shape[0] * shape[1] * TYPES[dtype]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [place, place + size]}
        place += size
    text = json.dumps(header).encode()
    path = folder / "adapter_model.safetensors"
    random = numpy.random.default_rng(0)
    with path.open("wb") as sink:
        sink.write(struct.pack("<Q", len(text)) + text)
        for rows, columns in shapes.values():
            values = random.standard_normal((rows, columns), dtype=numpy.float32) * 0.02
            sink.write(encode(values, dtype))
    return path


def encode(values: numpy.ndarray, dtype: str) -> bytes:
    """Return the bytes of numbers in one of the types."""
    if dtype == "BF16":
        return (values.view(numpy.uint32) >> 16).astype("<u2").tobytes()
    return values.astype({"F16": "<f2", "F32": "<f4"}[dtype]).tobytes()


def median_seconds(
    action: Callable[[], object], clock: Callable[[], float] = time.perf_counter
) -> float:
    """Time an action several times after one warm-up and return the median."""
    action()
    times = []
    for _ in range(ROUNDS):
        started = clock()
        action()
        times.append(clock() - started)
    return statistics.median(times)


def sound(folder: Path) -> None:
    """Check, and make sure that the check said what it should."""
    report = check_adapter(folder)
    assert report.ok, report.errors


def main() -> None:
    """Measure and print a table."""
    rdagent = str(Path(sys.executable).with_name("rdagent"))
    print("| weights | size | check | of it CPU | the command | plain read |")
    print("| --- | --- | --- | --- | --- | --- |")
    for dtype in TYPES:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            path = write_adapter(folder, dtype)
            check = median_seconds(lambda folder=folder: sound(folder))
            busy = median_seconds(lambda folder=folder: sound(folder), time.process_time)
            words = [rdagent, "check-adapter", name]
            command = median_seconds(
                lambda words=words: subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
            )
            read = median_seconds(path.read_bytes)
            size = path.stat().st_size / 1e6
            seconds = " | ".join(f"{value:.2f} s" for value in (check, busy, command, read))
            print(f"| {dtype} | {size:.0f} MB | {seconds} |")


if __name__ == "__main__":
    main()
