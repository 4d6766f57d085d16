"""Mend how vLLM's CPU build applies an adapter, where all of a batch has the same one.

Two things, both of version 0.32: asked for the log-probabilities of prompts it takes the
adapters of the sampled rows for all rows and fails; and for every token it copies the
adapter's matrices before it multiplies, which makes it several times slower than the base.
``vllm_engine`` sends one adapter at a time, so a product of two matrices will do.
"""

from __future__ import annotations

from typing import Any

_NO_ADAPTER = -1


def mend() -> None:
    """Put our functions in the place of vLLM's; a batch of several adapters goes to its own."""
    from vllm.lora.ops.torch_ops import lora_ops
    from vllm.lora.punica_wrapper import punica_cpu

    shrink = _shrink(lora_ops.bgmv_shrink)
    expand = _expand(lora_ops.bgmv_expand)
    expand_slice = _expand_slice(lora_ops.bgmv_expand_slice)
    for module in (lora_ops, punica_cpu):
        module.bgmv_shrink = shrink
        module.bgmv_expand = expand
        module.bgmv_expand_slice = expand_slice


def _only(indices: Any) -> int | None:
    """Return the one adapter of all rows; None when there are several."""
    if indices.numel() == 0:
        return None
    first = int(indices[0])
    return first if bool((indices == first).all()) else None


def _matrix(weights: Any, number: int, dtype: Any) -> Any:
    matrix = weights[number].to(dtype)
    return matrix.squeeze(0) if matrix.dim() == 3 else matrix


def _shrink(original: Any) -> Any:
    def bgmv_shrink(
        inputs: Any, lora_b_weights: Any, output_tensor: Any, indices: Any, scaling: float = 1.0
    ) -> None:
        number = _only(indices)
        if number is None:
            original(inputs, lora_b_weights, output_tensor, indices, scaling)
        elif number == _NO_ADAPTER:
            output_tensor.zero_()
        else:
            matrix = _matrix(lora_b_weights, number, output_tensor.dtype)
            outputs = inputs.to(output_tensor.dtype) @ matrix.T
            output_tensor[:, : outputs.shape[1]] = scaling * outputs

    return bgmv_shrink


def _expand(original: Any) -> Any:
    def bgmv_expand(
        inputs: Any,
        lora_b_weights: Any,
        output_tensor: Any,
        indices: Any,
        add_inputs: bool = True,
    ) -> None:
        number = _only(indices)
        if number is None:
            original(inputs, lora_b_weights, output_tensor, indices, add_inputs)
            return
        if number == _NO_ADAPTER:
            return
        outputs = (
            inputs.to(output_tensor.dtype) @ _matrix(lora_b_weights, number, output_tensor.dtype).T
        )
        # An adapter and its model can pad their vocabularies by different amounts.
        width = min(outputs.shape[1], output_tensor.shape[1])
        if add_inputs:
            output_tensor[:, :width] += outputs[:, :width]
        else:
            output_tensor[:, :width] = outputs[:, :width]

    return bgmv_expand


def _expand_slice(original: Any) -> Any:
    def bgmv_expand_slice(
        inputs: Any,
        lora_b_weights: Any,
        output_tensor: Any,
        indices: Any,
        slice_offset: int,
        slice_size: int,
        add_inputs: bool = True,
    ) -> None:
        number = _only(indices)
        if number is None:
            original(
                inputs,
                lora_b_weights,
                output_tensor,
                indices,
                slice_offset,
                slice_size,
                add_inputs,
            )
            return
        if number == _NO_ADAPTER:
            return
        matrix = _matrix(lora_b_weights, number, output_tensor.dtype)
        outputs = inputs.to(output_tensor.dtype) @ matrix.T
        place = output_tensor[:, slice_offset : slice_offset + slice_size]
        if add_inputs:
            place += outputs
        else:
            place[:] = outputs

    return bgmv_expand_slice
