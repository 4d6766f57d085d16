"""The closed list of what a check of an adapter can say.

Each code has one severity: an ``error`` means that the adapter cannot be evaluated, a
``warning`` that its numbers may not be what they look like, a ``note`` is good to know.
docs/adapter-checks.md shows this list; a test holds the two together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rdagent.files.printable import one_line, printable

Severity = Literal["error", "warning", "note"]
_MESSAGE_LIMIT = 600


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing found, where, and what to do about it."""

    code: str
    severity: Severity
    message: str
    fix: str


@dataclass(frozen=True, slots=True)
class Kind:
    """What a code stands for."""

    severity: Severity
    meaning: str
    fix: str


_COPY = "Copy or save it again; a full disk or a broken transfer leaves such a file."
_SAVE = "Save it again with peft's save_pretrained."
_TRAIN = "Train again."
_CONFIG = "Take adapter_config.json from the training's output, unedited."
_MERGED = "Nothing on engine hf; for vLLM 'rdagent eval' merges it into the base first."
_ON_HF = "Evaluate with --engine hf; it can be neither served by vLLM nor merged."

KINDS: dict[str, Kind] = {
    # files
    "folder_missing": Kind(
        "error",
        "there is no such folder",
        "Train first, or give the folder that the training wrote to.",
    ),
    "weights_missing": Kind(
        "error",
        "no weight file in the folder, nor in a checkpoint below it",
        "Check that the training finished, and that this is the folder it wrote to.",
    ),
    "config_missing": Kind(
        "error", "no adapter_config.json", "Copy it from the training's output."
    ),
    "full_model": Kind(
        "error",
        "the folder holds a full model and no adapter",
        "Evaluate a full model as the base: --base-model.",
    ),
    "not_a_file": Kind(
        "error",
        "a link, pipe, device or folder stands where a file should",
        "Copy the files themselves: cp -rL.",
    ),
    "unreadable": Kind("error", "a file cannot be read", "Give yourself the right to read it."),
    "file_empty": Kind("error", "a file has no bytes", _COPY),
    "lfs_pointer": Kind(
        "error", "the weights are a Git LFS pointer", "Run 'git lfs pull' in that folder."
    ),
    "wrong_format": Kind(
        "error",
        "the weights' file is something else: a pickle, a web page, an archive",
        "Get the file again, as safetensors.",
    ),
    "pickle_only": Kind(
        "error",
        "the weights are a pickle, which may run code when it is read",
        "Convert it in a container: rdagent check-adapter DIR --convert.",
    ),
    "weights_sharded": Kind(
        "error",
        "the weights are in several files, which neither peft nor vLLM reads",
        "Save them as one adapter_model.safetensors.",
    ),
    "pickle_beside": Kind(
        "note", "a pickle lies beside the safetensors file and is not read", "It can be removed."
    ),
    "checkpoint_used": Kind(
        "warning",
        "the folder holds no adapter itself; its last checkpoint was taken",
        "Check that the training finished, or name the checkpoint that you mean.",
    ),
    # the header of the weights
    "weights_truncated": Kind("error", "the weights are damaged or cut short", _COPY),
    "header_invalid": Kind("error", "the weights' header cannot be read", _COPY),
    "header_too_large": Kind("error", "the weights' header is larger than any reader takes", _COPY),
    "tensor_invalid": Kind(
        "error", "a tensor's place, shape or type in the header cannot be", _SAVE
    ),
    "no_tensors": Kind("error", "the weights hold no tensors", _TRAIN),
    # the configuration
    "config_invalid": Kind("error", "adapter_config.json is not a JSON object", _CONFIG),
    "peft_type_unsupported": Kind(
        "error", "the adapter is not a LoRA", "Only LoRA adapters can be evaluated."
    ),
    "field_missing": Kind("error", "a required field is not in adapter_config.json", _CONFIG),
    "field_invalid": Kind("error", "a field has a value that it cannot have", _CONFIG),
    "rank_invalid": Kind("error", "the rank is not a whole number above 0", _CONFIG),
    "alpha_invalid": Kind("error", "lora_alpha is not a number above 0", _CONFIG),
    "target_modules_invalid": Kind(
        "error", "target_modules is neither names nor a pattern", _CONFIG
    ),
    "pattern_invalid": Kind("error", "rank_pattern or alpha_pattern cannot be applied", _CONFIG),
    "task_type_unsupported": Kind(
        "error",
        "the adapter was made for something other than text generation",
        "Train with task_type CAUSAL_LM.",
    ),
    "task_type_missing": Kind(
        "note", "the configuration names no task type", "Set task_type to CAUSAL_LM."
    ),
    "field_unknown": Kind(
        "warning",
        "peft does not know a field and will ignore it",
        "Check the name; a newer peft may know it.",
    ),
    "peft_newer": Kind(
        "note",
        "a newer peft than the evaluation image's wrote the adapter",
        "Compare the versions if the scores surprise.",
    ),
    # what vLLM cannot serve, or would serve wrongly without a word
    "dora": Kind("warning", "it uses DoRA", _MERGED),
    "saved_modules": Kind("warning", "it has modules that were trained in full", _MERGED),
    "bias_trained": Kind("warning", "it trains biases", _MERGED),
    "rank_over_limit": Kind("warning", "a rank is above vLLM's limit", _MERGED),
    "rank_pattern": Kind("warning", "its modules have different ranks", _MERGED),
    "alpha_pattern": Kind("warning", "its modules have different scales", _MERGED),
    "trainable_tokens": Kind("warning", "it trains single tokens' embeddings", _MERGED),
    "target_parameters": Kind("warning", "it targets parameters instead of modules", _MERGED),
    "fan_in_fan_out": Kind("warning", "its base stores weights transposed", _MERGED),
    "embedding_lora": Kind("warning", "it adapts the embeddings or the output layer", _MERGED),
    "changes_base": Kind(
        "warning", "its initialisation changes the base's weights when it is loaded", _MERGED
    ),
    "lora_bias": Kind("warning", "it has biases of its own (lora_bias)", _ON_HF),
    "layer_replication": Kind("warning", "it repeats layers of the base", _ON_HF),
    "qalora": Kind("warning", "it is a QALoRA", _ON_HF),
    "activated_lora": Kind("warning", "it takes effect after certain tokens only", _ON_HF),
    "variant_unknown": Kind("warning", "it is a variant of LoRA that vLLM does not know", _ON_HF),
    # names
    "not_lora_weights": Kind(
        "error", "none of the tensors belongs to a LoRA", "Give the adapter's own weights."
    ),
    "name_prefix": Kind(
        "error", "names do not begin with base_model.model., or not all alike", _SAVE
    ),
    "name_adapter": Kind("error", "names hold the adapter's name, such as default", _SAVE),
    "name_wrapper": Kind(
        "error", "names hold a wrapper's part: module., _orig_mod., _fsdp_wrapped_module.", _SAVE
    ),
    "name_unexpected": Kind("error", "a tensor belongs to nothing that is configured", _SAVE),
    "base_weights": Kind(
        "warning", "weights of the base are among the adapter's, and are not read", _SAVE
    ),
    "pair_incomplete": Kind("error", "a module has one half of its pair of matrices", _SAVE),
    "dora_incomplete": Kind(
        "error", "use_dora and the magnitude vectors in the file do not agree", _SAVE
    ),
    "saved_modules_missing": Kind("error", "a module of modules_to_save is not in the file", _SAVE),
    "layers_missing": Kind(
        "error",
        "modules that target_modules names have no weights: a save that was broken off",
        "Save it again; with FSDP or ZeRO-3 gather the weights first.",
    ),
    "layers_uneven": Kind(
        "warning", "some layers lack a module that others have", "Check it against the base."
    ),
    "layer_out_of_range": Kind(
        "error", "a layer's number is beyond the base's last", "Give the base it was trained on."
    ),
    "module_unknown": Kind(
        "error", "the base has no such module", "Give the base it was trained on."
    ),
    # shapes
    "tensor_empty": Kind(
        "error",
        "a tensor has no elements: ZeRO-3 saved without gathering",
        "Set stage3_gather_16bit_weights_on_model_save and save again.",
    ),
    "shape_invalid": Kind("error", "a matrix has a shape that no LoRA has", _SAVE),
    "rank_mismatch": Kind("error", "a matrix's rank is not the configuration's", _CONFIG),
    "shape_mismatch": Kind(
        "error", "a matrix does not fit the base's", "Give the base it was trained on."
    ),
    # values
    "dtype_invalid": Kind("error", "weights are stored as whole numbers", _SAVE),
    "dtype_unusual": Kind(
        "warning", "weights have a type that adapters seldom have", "Save as F32, BF16 or F16."
    ),
    "not_finite": Kind(
        "error",
        "weights hold NaN or infinity",
        "The training diverged: lower the learning rate, use bf16, and train again.",
    ),
    "untrained": Kind(
        "error",
        "all weights of lora_B are zero: the adapter changes nothing",
        "The training did nothing: check labels, learning rate and gradients.",
    ),
    "partly_untrained": Kind(
        "warning",
        "some modules change nothing",
        "Check whether all of them were to be trained.",
    ),
    "constant": Kind("warning", "a matrix holds one value throughout", "Check how it was made."),
    "norm_outlier": Kind(
        "warning",
        "a module changes its base far more than the others",
        "Look at the loss curve for a spike.",
    ),
    # the base
    "base_unnamed": Kind(
        "note", "the configuration names no base model", "Name it with --base-model."
    ),
    "base_different": Kind(
        "warning",
        "the base at hand is not the one that the adapter names",
        "Evaluate on the base that it was trained on.",
    ),
    "base_unverified": Kind(
        "note",
        "the base that the adapter names is not here to compare with",
        "Check that it is the same model.",
    ),
    "base_quantised": Kind(
        "note",
        "the base at hand or the one named is quantised, the other is not",
        "Scores can differ a little.",
    ),
    # vocabulary and tokenizer
    "vocabulary_resized": Kind(
        "warning",
        "the saved embeddings have another number of rows than the base",
        "The tokenizer must be the adapter's own; it is taken where the model is merged.",
    ),
    "tokens_beyond_embeddings": Kind(
        "error",
        "the tokenizer has tokens that the embeddings have no row for",
        "Train with the embeddings saved (modules_to_save), or with the base's tokenizer.",
    ),
    "tokenizer_missing": Kind(
        "warning",
        "the vocabulary was resized and the tokenizer is not there",
        "Copy its files from the training's output, or no new token will ever be used.",
    ),
    "tokenizer_invalid": Kind("warning", "a file of the tokenizer cannot be read", _COPY),
    "tokenizer_differs": Kind(
        "note", "the tokenizer is not the base's", "Scores are made with the base's."
    ),
    "tokenizer_list": Kind(
        "warning",
        "extra_special_tokens is a list, which transformers 4 cannot read",
        "Nothing here; elsewhere use transformers 5, or the base's tokenizer.",
    ),
    "chat_template_missing": Kind(
        "note", "the tokenizer has no chat template", "Nothing, if the base's is meant."
    ),
    "chat_template_differs": Kind(
        "warning",
        "the chat template is not the base's",
        "Training and evaluation should render prompts alike.",
    ),
    "stop_token_missing": Kind(
        "note",
        "the end token does not occur in the chat template",
        "Answers may not stop: check eos_token.",
    ),
    # evidence of the training
    "training_partial": Kind(
        "warning", "the training ended before its last step", "Resume it, or evaluate knowingly."
    ),
    "training_diverged": Kind(
        "error",
        "the last loss or gradient is no number",
        "Lower the learning rate, use bf16, and train again.",
    ),
    "loss_zero": Kind(
        "warning",
        "the loss is exactly 0",
        "No token was learned from: check cutoff_len and the labels.",
    ),
    "loss_rose": Kind("warning", "the loss ended above where it began", "Lower the learning rate."),
    "trainer_state_invalid": Kind("warning", "trainer_state.json cannot be read", _COPY),
    "weights_stale": Kind(
        "warning",
        "the weights are older than the run beside them",
        "They may be an earlier run's: check when they were saved.",
    ),
}


def problem(code: str, message: str, fix: str | None = None) -> Problem:
    """Return a problem of the list, with its text made printable."""
    kind = KINDS[code]
    return Problem(
        code, kind.severity, one_line(message, _MESSAGE_LIMIT), printable(fix or kind.fix)
    )


def some(names: list[str], shown: int = 3) -> str:
    """Return the first names of a list, and how many more there are."""
    rest = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(one_line(name, 120) for name in names[:shown]) + rest
