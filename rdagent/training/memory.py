"""How much memory a training takes: an estimate from sizes and settings, and no more.

A pure function of ``shapes`` and of the configuration.  The terms and their constants
are explained in ``docs/training-preflight.md``; tests work them out by hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rdagent.training.shapes import Matrix, ModelShape

GIBIBYTE = 1 << 30
#: nf4 with its double-quantized scales; 8 bits with theirs.
_QUANTIZED = {4: 0.52, 8: 1.02}
#: CUDA's context and libraries; on a CPU the libraries alone, as measured.
CONTEXT_BYTES = {"cuda": int(1.5 * GIBIBYTE), "cpu": int(0.75 * GIBIBYTE)}
FRAGMENTED = 0.1


@dataclass(frozen=True, slots=True)
class Work:
    """What of a configuration decides how much memory a training takes."""

    device: str
    method: str = "lora"
    rank: int = 8
    #: Names of modules, or ``all``.
    targets: tuple[str, ...] = ("all",)
    #: Modules that are trained as a whole beside the adapter.
    saved: tuple[str, ...] = ()
    trained_layers: int = 2
    batch: int = 8
    length: int = 2048
    #: Bytes of a number in the computation.
    width: int = 2
    quantized_bits: int | None = None
    checkpoints: bool = True
    pure_bf16: bool = False
    optimizer: str = "adamw_torch"
    fused_loss: bool = False
    eager_attention: bool = False
    dropout: bool = False
    #: Rows are filled up to the length.
    is_packed: bool = False
    #: Weights or states may lie elsewhere (deepspeed, fsdp): nothing is certain then.
    sharded: bool = False


@dataclass(frozen=True, slots=True)
class Estimate:
    """Bytes by what they are for."""

    weights: int
    trained: int
    activations: int
    logits: int
    overhead: int
    trainable_parameters: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.trained + self.activations + self.logits + self.overhead

    @property
    def least(self) -> int:
        """What is needed whatever a batch looks like."""
        return self.weights + self.trained

    def to_json(self) -> dict[str, Any]:
        """Return the JSON document."""
        return {"bytes": self.total, **asdict(self)}

    def line(self) -> str:
        """Say it in one line."""
        parts = (
            ("weights", self.weights),
            ("what is trained", self.trained),
            ("activations", self.activations),
            ("logits", self.logits),
            ("the rest", self.overhead),
        )
        said = ", ".join(f"{name} {in_gibibytes(count)}" for name, count in parts)
        return f"{in_gibibytes(self.total)} GiB: {said}"


def in_gibibytes(count: int) -> str:
    """Return bytes as GiB, for a reader."""
    return f"{count / GIBIBYTE:.1f}"


def estimate(shape: ModelShape, work: Work) -> Estimate:
    """Return what a training takes at its largest batch."""
    trainable = _trainable(shape, work)
    weights = _weights(shape, work)
    trained = int(trainable * _state_bytes(work))
    activations = _activations(shape, work)
    logits = 0
    if not work.fused_loss:
        # The logits, their copy in 32 bits for the loss, and its gradient.
        logits = work.batch * work.length * shape.vocabulary * (work.width + 4 + 4)
    overhead = CONTEXT_BYTES[work.device]
    if work.device == "cuda":
        overhead += int(FRAGMENTED * (weights + trained + activations + logits))
    return Estimate(weights, trained, activations, logits, overhead, trainable)


def _weights(shape: ModelShape, work: Work) -> int:
    """Return the bytes of what is not trained; trained weights are counted with their state."""
    if work.method == "full":
        # A 16-bit copy is made of each 32-bit weight for the computation.
        return shape.parameters * 2 if work.width == 2 and not work.pure_bf16 else 0
    if work.quantized_bits is None:
        return shape.parameters * work.width
    inner = sum(matrix.parameters for matrix in shape.linears)
    share = _QUANTIZED.get(work.quantized_bits, work.quantized_bits / 8)
    return int(inner * share) + (shape.parameters - inner) * work.width


def _trainable(shape: ModelShape, work: Work) -> int:
    if work.method == "full":
        return shape.parameters
    if work.method == "freeze":
        inner = sum(matrix.parameters for matrix in shape.linears)
        return inner * min(work.trained_layers, shape.layers) // shape.layers
    added = sum(work.rank * (matrix.inputs + matrix.outputs) for matrix in _targets(shape, work))
    tables = sum(1 for name in work.saved if "embed" in name or "head" in name)
    return added + tables * shape.vocabulary * shape.hidden


def _targets(shape: ModelShape, work: Work) -> list[Matrix]:
    if "all" in work.targets:
        return list(shape.linears)
    return [each for each in shape.linears if each.module.split(".")[-1] in work.targets]


def _state_bytes(work: Work) -> float:
    """Return the bytes of a trained number: itself, its gradient, the optimizer's."""
    if work.pure_bf16:
        return 2 + 2 + _optimizer_bytes(work.optimizer) / 2
    return 4 + 4 + _optimizer_bytes(work.optimizer)


def _optimizer_bytes(name: str) -> float:
    if "8bit" in name:
        return 2
    if name.startswith("sgd"):
        return 0
    return 1 if "adafactor" in name else 8


def _activations(shape: ModelShape, work: Work) -> int:
    tokens = work.batch * work.length
    # Per token and layer: norms, residuals and attention's ends; keys and values; the gated MLP.
    numbers = 10 * shape.hidden + 4 * shape.key_value + 4 * shape.intermediate
    if work.method == "lora" and (work.width == 2 or work.dropout):
        # Each adapted layer keeps its own copy of its input.
        copied = sum(matrix.inputs for matrix in _targets(shape, work))
        numbers += copied // shape.layers
    layer = tokens * numbers * work.width
    if work.eager_attention:
        layer += 5 * shape.heads * work.length * tokens * work.width // 2
    if work.checkpoints:
        return shape.layers * tokens * shape.hidden * work.width + layer
    return shape.layers * layer


def largest_knob(found: Estimate, work: Work) -> str:
    """Say what to change first to need less."""
    if found.logits + found.activations > found.least:
        if work.batch > 1:
            return (
                f"Lower per_device_train_batch_size ({work.batch}) and raise"
                " gradient_accumulation_steps by the same factor."
            )
        if not work.checkpoints:
            return "Take disable_gradient_checkpointing out."
        return f"Lower cutoff_len ({work.length})."
    if work.method in ("full", "freeze"):
        return "Set finetuning_type: lora."
    if work.quantized_bits is None and found.weights >= found.trained:
        return "Set quantization_bit: 4, on a GPU, or take a smaller model."
    return f"Lower lora_rank ({work.rank}), or take a smaller model."


def work_of(
    values: Mapping[str, Any],
    *,
    device: str,
    stored_dtype: str | None = None,
    longest_row: int | None = None,
) -> Work:
    """Return what a configuration asks for; what it leaves out is LLaMA-Factory's default."""
    method = str(values.get("finetuning_type") or "lora")
    return Work(
        device=device,
        method=method,
        rank=_whole(values, "lora_rank", 8),
        targets=_names(values.get("lora_target")) or ("all",),
        saved=_names(values.get("additional_target")),
        trained_layers=abs(_whole(values, "freeze_trainable_layers", 2)),
        batch=_whole(values, "per_device_train_batch_size", 8),
        length=_length(values, longest_row),
        width=_width(values, device, method, stored_dtype),
        quantized_bits=_whole(values, "quantization_bit", 0) or None,
        checkpoints=not values.get("disable_gradient_checkpointing"),
        pure_bf16=bool(values.get("pure_bf16")) and device == "cuda",
        optimizer=str(values.get("optim") or "adamw_torch"),
        fused_loss=bool(values.get("enable_liger_kernel") or values.get("use_liger_kernel")),
        eager_attention=values.get("flash_attn") == "disabled",
        dropout=bool(values.get("lora_dropout")),
        is_packed=_is_packed(values),
        sharded=bool(values.get("deepspeed") or values.get("fsdp")),
    )


#: What a template adds to a row, at the most that is usual.
_TEMPLATE_TOKENS = 256


def _length(values: Mapping[str, Any], longest_row: int | None) -> int:
    cutoff = _whole(values, "cutoff_len", 2048)
    if longest_row is None or _is_packed(values):
        return cutoff
    # A token is a byte at least.
    return min(cutoff, longest_row + _TEMPLATE_TOKENS)


def _is_packed(values: Mapping[str, Any]) -> bool:
    given = values.get("packing")
    return bool(
        values.get("neat_packing") or (values.get("stage") == "pt" if given is None else given)
    )


def _width(values: Mapping[str, Any], device: str, method: str, stored: str | None) -> int:
    if device == "cpu":
        return 4
    if any(values.get(key) for key in ("bf16", "fp16", "pure_bf16")):
        return 2
    return 2 if stored in ("bfloat16", "float16") and method == "lora" else 4


def _whole(values: Mapping[str, Any], key: str, default: int) -> int:
    value = values.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return default
    return max(int(value), 0) or default


def _names(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        value = value.split(",")
    return tuple(str(part).strip() for part in value or () if str(part).strip())
