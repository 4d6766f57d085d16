"""What the numbers in an adapter say: NaN, infinity, nothing learned, far too much.

Each tensor is read once, a piece at a time, with numpy and without mapping the file
into memory: a file that shrinks meanwhile is a short read and not a crash.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rdagent.adapters.configuration import LoraConfiguration
from rdagent.adapters.header import Tensor, Unreadable, open_regular
from rdagent.adapters.names import Contents
from rdagent.adapters.problems import Problem, problem, some

_PIECE = 1 << 20
_WHOLE_NUMBERS = frozenset({"BOOL", "U8", "I8", "I16", "U16", "I32", "U32", "I64", "U64"})
_USUAL = frozenset({"F32", "BF16", "F16"})
#: Types whose values are looked at, and how their bits are read; of the rest only bytes are known.
_CODES = {
    "F32": "<u4", "F64": "<u8", "F16": "<u2", "BF16": "<u2", "F8_E4M3": "u1", "F8_E5M2": "u1",
}  # fmt: skip
_OUTLIER = 30.0


@dataclass(frozen=True, slots=True)
class Summary:
    """What is kept of a tensor's numbers."""

    is_finite: bool
    is_zero: bool
    is_constant: bool
    #: Square root of the sum of squares.
    norm: float


def check_values(
    path: Path,
    tensors: tuple[Tensor, ...],
    contents: Contents,
    configuration: LoraConfiguration,
) -> Iterator[Problem]:
    """Read every number once and say what is wrong with them."""
    whole = [f"{t.name} ({t.dtype})" for t in tensors if t.dtype in _WHOLE_NUMBERS]
    if whole:
        yield problem("dtype_invalid", some(whole))
        return
    unusual = sorted({tensor.dtype for tensor in tensors} - _USUAL)
    if unusual:
        yield problem("dtype_unusual", f"weights are stored as {', '.join(unusual)}")
    try:
        summaries = summarise(path, tensors)
    except Unreadable as error:
        yield error.problem
        return
    bad = [tensor.name for tensor in tensors if not summaries[tensor.name].is_finite]
    if bad:
        yield problem("not_finite", f"NaN or infinity in {len(bad)} tensors: {some(bad)}")
        return
    yield from _effect(contents, configuration, summaries)
    yield from _constants(contents, summaries)
    yield from _outliers(contents, configuration, summaries)


def summarise(path: Path, tensors: tuple[Tensor, ...]) -> Mapping[str, Summary]:
    """Read the tensors of a file in the order in which they lie there."""
    import numpy

    buffer = bytearray(_PIECE)
    found = {}
    with os.fdopen(open_regular(path), "rb", buffering=0) as stream, numpy.errstate(all="ignore"):
        for tensor in sorted(tensors, key=lambda tensor: tensor.begin):
            found[tensor.name] = _summarise_one(stream, tensor, memoryview(buffer))
    return found


def _summarise_one(stream: Any, tensor: Tensor, buffer: memoryview) -> Summary:
    import numpy

    is_finite, is_constant, squares, first = True, True, 0.0, None
    left = tensor.end - tensor.begin
    stream.seek(tensor.begin)
    while left:
        piece = buffer[: min(left, len(buffer))]
        _fill(stream, piece, tensor.name)
        left -= len(piece)
        if tensor.dtype not in _CODES:
            squares, is_constant = 1.0, False
            continue
        codes = numpy.frombuffer(piece, _CODES[tensor.dtype])
        part = _sum_of_squares(codes, tensor.dtype)
        is_finite = is_finite and part is not None
        squares += part or 0.0
        first = codes[0] if first is None else first
        is_constant = is_constant and _is_constant(codes, first)
    return Summary(is_finite, is_finite and squares == 0.0, is_constant, math.sqrt(squares))


def _fill(stream: Any, piece: memoryview, name: str) -> None:
    done = 0
    while done < len(piece):
        count = stream.readinto(piece[done:])
        if not count:
            raise Unreadable(problem("weights_truncated", f"the file ends within {name}"))
        done += count


def _sum_of_squares(codes: Any, dtype: str) -> float | None:
    """Return the sum of the squares of numbers given by their bits; None: one is no number."""
    import numpy

    if dtype == "F16":
        # numpy's own way from F16 is three times slower; the sign does not matter here.
        halves = codes & numpy.uint16(0x7FFF)
        if halves.max() >= 0x7C00:
            return None
        numbers = halves.astype(numpy.uint32)
        numbers <<= 13
        numbers = numbers.view(numpy.float32)
        numbers *= numpy.float32(2.0**112)
    else:
        numbers = _numbers(codes, dtype)
    found = float(numpy.dot(numbers, numbers))
    if math.isfinite(found):
        return found
    # A square may be too large where the number is not.
    if not numpy.isfinite(numbers).all():
        return None
    return min(float(numpy.square(numbers, dtype=numpy.float64).sum()), 1e300)


def _numbers(codes: Any, dtype: str) -> Any:
    """Return the numbers that the bits stand for, as F32 or F64."""
    import numpy

    if dtype in ("F32", "F64"):
        return codes.view("<f4" if dtype == "F32" else "<f8")
    if dtype == "BF16":
        wide = codes.astype(numpy.uint32)
        wide <<= 16
        return wide.view(numpy.float32)
    return _eight_bits(dtype)[codes]


def _eight_bits(dtype: str) -> Any:
    """Return the 256 numbers that a byte can stand for."""
    import numpy

    exponent_bits, bias = (4, 7) if dtype == "F8_E4M3" else (5, 15)
    fraction_bits = 7 - exponent_bits
    codes = numpy.arange(256)
    exponent = (codes >> fraction_bits) & ((1 << exponent_bits) - 1)
    fraction = (codes & ((1 << fraction_bits) - 1)) / (1 << fraction_bits)
    scale = numpy.exp2(numpy.maximum(exponent, 1) - bias)
    values = numpy.where(exponent > 0, 1 + fraction, fraction) * scale
    if dtype == "F8_E5M2":
        values[exponent == 31] = numpy.inf
    else:
        values[(codes & 127) == 127] = numpy.nan
    return numpy.where(codes > 127, -values, values).astype(numpy.float32)


def _is_constant(codes: Any, first: Any) -> bool:
    # Almost every tensor differs within its first numbers.
    return bool((codes[:64] == first).all()) and bool((codes == first).all())


def _effect(
    contents: Contents, configuration: LoraConfiguration, summaries: Mapping[str, Summary]
) -> Iterator[Problem]:
    """Say whether the products of the matrices are zero: such modules are the base's."""
    idle = [
        module.name
        for module in contents.modules
        if summaries[module.a.name].is_zero or summaries[module.b.name].is_zero
    ]
    if not idle:
        return
    has_more = bool(contents.saved or contents.token_rows or contents.biases)
    if len(idle) == len(contents.modules) and not has_more and not configuration.has("use_dora"):
        yield problem("untrained", f"lora_B or lora_A is zero in all {len(idle)} modules")
    else:
        share = f"{len(idle)} of {len(contents.modules)} modules"
        yield problem("partly_untrained", f"{share} change nothing: {some(idle)}")


def _constants(contents: Contents, summaries: Mapping[str, Summary]) -> Iterator[Problem]:
    matrices = [half for module in contents.modules for half in (module.a, module.b)]
    same = [
        tensor.name
        for tensor in matrices
        if summaries[tensor.name].is_constant
        and not summaries[tensor.name].is_zero
        and math.prod(tensor.shape) > 1
    ]
    if same:
        yield problem("constant", f"{len(same)} matrices: {some(same)}")


def _outliers(
    contents: Contents, configuration: LoraConfiguration, summaries: Mapping[str, Summary]
) -> Iterator[Problem]:
    """Compare how far the modules can move their base: scale times both norms, per number."""
    reach = {}
    for module in contents.modules:
        if module.is_expert or module.is_embedding:
            continue
        product = summaries[module.a.name].norm * summaries[module.b.name].norm
        size = math.sqrt(module.a.shape[1] * module.b.shape[0])
        reach[module.name] = configuration.scale_of(module.name) * product / size
    known = sorted(value for value in reach.values() if value > 0)
    if not known:
        return
    median = known[len(known) // 2]
    far = [name for name, value in reach.items() if value > 1.0 and value > _OUTLIER * median]
    all_far = median > 10.0
    if far or all_far:
        names = far or list(reach)
        yield problem("norm_outlier", f"{len(names)} modules move their base far: {some(names)}")
