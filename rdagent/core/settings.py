"""Settings: typed, from the environment or ``.env``, read when asked for and never at import.

A name of ours that is misspelt is an error with a suggestion; an ``FT_`` name
that is merely unknown is one warning, since RD-Agent's users have such names.
"""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from pydantic_settings import SettingsError as UnreadableSetting

from rdagent.errors import SettingsError
from rdagent.files.logs import log
from rdagent.records.limits import Limit, read_limit
from rdagent.records.requests import DType, LongPrompts

ENV_FILE = ".env"
_OUR_PREFIXES = ("FT_", "RDAGENT_", "BENCHMARK_DOCKER_")
#: Names that the test suite and the build read, which are no settings of a user's run.
_OTHER_NAMES = {"RDAGENT_TEST_DATA", "RDAGENT_REQUIRE_ENGINE", "RDAGENT_RUN_ENGINE"}
_warned: set[str] = set()

Texts = Annotated[tuple[str, ...], NoDecode]


class Settings(BaseSettings):
    """Base of every settings class: frozen, from the environment first, then ``.env``."""

    model_config = SettingsConfigDict(
        env_file=ENV_FILE, env_file_encoding="utf-8", extra="ignore", frozen=True
    )

    @field_validator("*", mode="before")
    @classmethod
    def _blank_is_unset(cls, value: Any, info: Any) -> Any:
        if isinstance(value, str) and not value.strip():
            return cls.model_fields[info.field_name].get_default(call_default_factory=True)
        return value


def split_list(value: Any) -> Any:
    """Read ``a,b`` and ``["a", "b"]`` alike."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text.startswith("["):
        try:
            return tuple(json.loads(text))
        except (ValueError, TypeError) as error:
            raise ValueError(f"{text!r} is not a JSON list") from error
    return tuple(part.strip() for part in text.split(",") if part.strip())


class FinetuneSettings(Settings):
    """What users of the fine-tuning scenario set; every name begins with ``FT_``."""

    model_config = SettingsConfigDict(env_prefix="FT_")

    file_path: Path = Field(
        default=Path("git_ignore_folder/finetune"),
        description="Folder with datasets/, benchmarks/, models/ and runs/.",
    )
    base_model: str | None = Field(
        default=None,
        description="Base model: a folder, or a name under models/ or in the hub's cache.",
    )
    env: Literal["auto", "docker", "local"] = Field(
        default="auto", description="Where jobs run: auto, docker or local."
    )
    benchmark_datasets: Texts = Field(
        default=("gsm8k",), description="Tasks to evaluate: a comma list or a JSON list."
    )
    benchmark_include: Texts = Field(
        default=(), description="Folders with task files of your own: a comma list or a JSON list."
    )
    benchmark_preset: str | None = Field(
        default=None,
        description="Preset of tasks, a name or a file; goes before DATASETS, LIMIT, NUM_FEWSHOT.",
    )
    benchmark_timeout: float = Field(
        default=3600, gt=0, description="Deadline of an evaluation, in seconds."
    )
    benchmark_limit: Limit | None = Field(
        default=None,
        description="Items per task; below 1 a share of them; empty or 1.0: all of them.",
    )
    benchmark_batch_size: str = Field(
        default="auto", pattern=r"^(auto(:\d+)?|[1-9]\d*)$", description="Batch size, or auto."
    )
    benchmark_num_gpus: int | None = Field(
        default=None, ge=0, description="GPUs to use; empty: one if there is one, else none."
    )
    benchmark_max_model_len: int | None = Field(
        default=None,
        gt=0,
        description="Longest context, in tokens; empty: the model's, up to 4096.",
    )
    benchmark_engine: Literal["auto", "vllm", "hf", "endpoint"] = Field(
        default="auto", description="auto (vllm with a GPU, else hf), vllm, hf or endpoint."
    )
    benchmark_endpoint: str | None = Field(
        default=None, description="Base address of the server for engine endpoint: https://host/v1."
    )
    benchmark_endpoint_revision: str | None = Field(
        default=None,
        description="Which models the endpoint serves now, in your words; empty: not known.",
    )
    benchmark_num_fewshot: int | None = Field(
        default=None, ge=0, description="Examples in each prompt; empty: what the task says."
    )
    benchmark_system_prompt: str | None = Field(
        default=None, description="System text put before every prompt."
    )
    benchmark_chat_template: bool | None = Field(
        default=None, description="on or off; empty: used when the model has one."
    )
    benchmark_thinking: bool | None = Field(
        default=None, description="on or off: what the chat template is told; empty: nothing."
    )
    benchmark_max_gen_toks: int | None = Field(
        default=None, gt=0, description="Longest answer, in tokens; empty: what the task says."
    )
    benchmark_long_prompts: LongPrompts = Field(
        default="truncate",
        description="Prompts longer than the context: truncate (their beginning) or refuse.",
    )
    benchmark_dtype: DType = Field(
        default="auto",
        description="auto (the model's; float32 on the CPU), float32, bfloat16 or float16.",
    )
    benchmark_tensor_parallel: int | None = Field(
        default=None, gt=0, description="GPUs that share one model; empty: all that are used."
    )
    feedback_samples: int = Field(
        default=0,
        ge=0,
        le=20,
        description="Wrongly answered test items that feedback shows, of a visible half only.",
    )
    require_no_regression: bool = Field(
        default=False,
        description="Accept an adapter only when no task is shown to be worse than its base's.",
    )
    benchmark_seed: int = Field(default=1234, description="Seed of everything that is drawn.")
    benchmark_gen_kwargs: str | None = Field(
        default=None, description="Generation settings put over the tasks' own, as key=value,..."
    )

    @field_validator("file_path")
    @classmethod
    def _expand(cls, value: Path) -> Path:
        return value.expanduser()

    @field_validator("benchmark_limit", mode="before")
    @classmethod
    def _limit(cls, value: Any) -> Any:
        return read_limit(value)

    @field_validator("benchmark_datasets", "benchmark_include", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return split_list(value)


class PathSettings(Settings):
    """Folders of this program, and where models and data are looked for."""

    rdagent_runs: Path | None = Field(
        default=None, description="Folder of all runs; empty: runs/ under FT_FILE_PATH."
    )
    rdagent_cache: Path | None = Field(
        default=None,
        description="Folder of wheels, build logs and digests; empty: ~/.cache/rdagent.",
    )
    rdagent_torch_index: str | None = Field(
        default=None, description="Package index to take torch from when images are built."
    )
    rdagent_base_image: str | None = Field(
        default=None, description="Base image to build on; empty: one made of Debian's packages."
    )
    rdagent_endpoint_key: SecretStr | None = Field(
        default=None, description="Key that the endpoint wants; empty: none."
    )
    hf_home: Path | None = Field(
        default=None, description="The hub's folder; models are looked for in its hub/."
    )
    hf_endpoint: str = Field(
        default="https://huggingface.co",
        pattern=r"^https?://[^/\s]+",
        description="Hub that models and benchmark data are fetched from.",
    )
    hf_token: SecretStr | None = Field(
        default=None, description="Token for the hub; empty: the one in HF_TOKEN_PATH, if any."
    )
    hf_token_path: Path | None = Field(
        default=None, description="File with the token; empty: token in HF_HOME."
    )
    homebench_data: Path | None = Field(
        default=None, description="HomeBench's data; empty: dataset/ where a command is run."
    )
    hf_datasets_cache: Path | None = Field(
        default=None, description="Benchmark data; empty: benchmarks/ under FT_FILE_PATH."
    )


SETTINGS_CLASSES: list[type[Settings]] = [FinetuneSettings, PathSettings]
S = TypeVar("S", bound=Settings)


def load(cls: type[S], **changes: Any) -> S:
    """Read one settings class; every fault is reported at once, as SettingsError."""
    check_names()
    try:
        return cls(**changes)
    except ValidationError as error:
        prefix = str(cls.model_config.get("env_prefix", "")).upper()
        rows = [_fault(prefix, row) for row in error.errors()]
        raise SettingsError(
            "wrong setting: " + "; ".join(rows),
            hint="'.env.example' lists every setting with its type.",
        ) from None
    except UnreadableSetting as error:
        raise SettingsError(f"wrong setting: {error}", hint="It takes a JSON object.") from None


def _fault(prefix: str, row: Mapping[str, Any]) -> str:
    name = prefix + "_".join(str(part) for part in row["loc"][:1]).upper()
    return f"{name}={str(row.get('input'))!r}: {row['msg']}"


def known_names() -> set[str]:
    """Return the name of every variable that a settings class reads."""
    return {
        f"{cls.model_config.get('env_prefix', '')}{field}".upper()
        for cls in SETTINGS_CLASSES
        for field in cls.model_fields
    }


def check_names(env_file: Path | None = None) -> None:
    """Find misspelt names of ours; raises SettingsError for those, warns once of unknown ones."""
    known = known_names() | _OTHER_NAMES
    in_file = _names_in(env_file or Path(ENV_FILE))
    ours = [name for name in {*os.environ, *in_file} if name.upper().startswith(_OUR_PREFIXES)]
    for name in sorted(ours):
        if name.upper() not in known:
            _complain(name, known, certain=name in in_file)


def _complain(name: str, known: Iterable[str], *, certain: bool) -> None:
    upper = name.upper()
    near = next((k for k in known if _distance_at_most_two(upper, k)), None)
    if near or certain:
        guess = near or next(iter(difflib.get_close_matches(upper, list(known), n=1)), None)
        hint = f"Did you mean {guess}?" if guess else "'.env.example' lists every setting."
        raise SettingsError(f"unknown setting {name}", hint=hint)
    if name not in _warned:
        _warned.add(name)
        log().warning("{} is no setting of this program and is not read", name)


def _names_in(path: Path) -> set[str]:
    if not path.is_file():
        return set()
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    pairs = (line.strip().removeprefix("export ").partition("=") for line in lines)
    return {name.strip() for name, sign, _ in pairs if sign and not name.startswith("#")}


def _distance_at_most_two(left: str, right: str) -> bool:
    if abs(len(left) - len(right)) > 2:
        return False
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, start=1):
        previous, row[0] = row[0], i
        for j, b in enumerate(right, start=1):
            cost = previous if a == b else 1 + min(previous, row[j], row[j - 1])
            previous, row[j] = row[j], cost
    return row[-1] <= 2


def finetune_settings() -> FinetuneSettings:
    """Read the ``FT_`` settings."""
    return load(FinetuneSettings)


def runs_root() -> Path:
    """Return the folder of all runs."""
    return (load(PathSettings).rdagent_runs or finetune_settings().file_path / "runs").expanduser()


def cache_root() -> Path:
    """Return the folder of what can be made again."""
    return load(PathSettings).rdagent_cache or Path.home() / ".cache" / "rdagent"
