"""Turn messages into prompts as an engine does, with its tokenizer and without its weights.

Planning and scoring need prompts and their lengths before, or without, a loaded model.
The two engines tell a template different things, so the renderer belongs to the engine;
``group`` sees that the loaded engine renders alike.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rdagent.records.keys import canonical
from rdagent.records.requests import Engine

_AT_ONCE = 512
Messages = list[dict[str, str]]


@dataclass(slots=True)
class Renderer:
    """A tokenizer, and what one engine tells its chat template."""

    engine: Engine
    tokenizer: Any
    max_length: int
    thinking: bool | None = None
    #: Whether the template refused a system message, which was then left out.
    lost_system: bool = field(default=False, init=False)

    @classmethod
    def load(cls, folder: Path, engine: Engine, max_length: int, thinking: bool | None) -> Renderer:
        """Read a folder's tokenizer as lm_eval's models do."""
        from lm_eval.models.utils import configure_pad_token
        from transformers import AutoConfig, AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(str(folder))
        try:
            config = AutoConfig.from_pretrained(str(folder))
        except (OSError, ValueError):
            config = None  # an adapter's folder brings a tokenizer and no model
        tokenizer = configure_pad_token(tokenizer, model_config=config)
        return cls(engine, tokenizer, max_length, thinking)

    @property
    def template(self) -> str | None:
        """The chat template, if the tokenizer has one."""
        found = getattr(self.tokenizer, "chat_template", None)
        return found if isinstance(found, str) else (str(found) if found else None)

    def _told(self) -> dict[str, Any]:
        if self.engine == "vllm":
            # lm_eval's vLLM always says it, be it None: a template can test whether it is said.
            return {"enable_thinking": self.thinking}
        return {} if self.thinking is None else {"enable_thinking": self.thinking}

    def render(self, messages: Messages, *, add_generation_prompt: bool) -> str:
        """Return the prompt; a system message that the template refuses is left out, and noted."""
        import jinja2

        try:
            return self._render(messages, add_generation_prompt)
        except jinja2.exceptions.TemplateError:
            rest = [message for message in messages if message["role"] != "system"]
            text = self._render(rest, add_generation_prompt)
            self.lost_system = True
            return text

    def _render(self, messages: Messages, add_generation_prompt: bool) -> str:
        return str(
            self.tokenizer.apply_chat_template(
                messages,
                tokenize=False,
                add_generation_prompt=add_generation_prompt,
                continue_final_message=not add_generation_prompt,
                **self._told(),
            )
        )

    def apply_chat_template(self, messages: Messages) -> str:
        """Return the prompt, ready for an answer."""
        return self.render(messages, add_generation_prompt=True)

    def tok_encode(self, text: str) -> list[int]:
        """Return the tokens of a prompt."""
        return self._encode([text])[0]

    def lengths(self, texts: Sequence[str]) -> list[int | None]:
        """Return how many tokens each text becomes."""
        found: list[int | None] = []
        for start in range(0, len(texts), _AT_ONCE):
            found += map(len, self._encode(texts[start : start + _AT_ONCE]))
        return found

    def _encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the tokens of each text; one that begins with the first token gets no second."""
        beginning = self._beginning()
        found: list[list[int]] = [[] for _ in texts]
        for special in (True, False):
            places = [
                number
                for number, text in enumerate(texts)
                if text and special is not bool(beginning and text.startswith(beginning))
            ]
            if places:
                rows = self.tokenizer(
                    [texts[number] for number in places],
                    add_special_tokens=special,
                    return_attention_mask=False,
                ).input_ids
                for place, row in zip(places, rows, strict=True):
                    found[place] = row
        return found

    def _beginning(self) -> str:
        token = self.tokenizer.bos_token_id
        token = self.tokenizer.eos_token_id if token is None else token
        return "" if token is None else str(self.tokenizer.decode(token))

    def identity(self, *, chat: bool) -> Mapping[str, Any]:
        """Return what decides how prompts are rendered and cut into tokens."""
        return {
            "engine": self.engine,
            "template": _digest(self.template or "") if chat else None,
            "thinking": self.thinking,
            "tokenizer": _digest(self._tokens()),
        }

    def _tokens(self) -> str:
        backend = getattr(self.tokenizer, "backend_tokenizer", None)
        return str(backend.to_str()) if backend else repr(sorted(self.tokenizer.get_vocab()))


@dataclass(slots=True)
class MessageRenderer:
    """For a server that renders by itself: a prompt is its messages, as JSON."""

    max_length: int
    tokenizer: None = None
    template: str | None = None
    lost_system: bool = False
    engine: Engine = "endpoint"

    def render(self, messages: Messages, *, add_generation_prompt: bool) -> str:
        """Return the messages as text; ``records.plan`` says nothing of what is in it."""
        return canonical({"messages": messages, "answer": add_generation_prompt})

    def lengths(self, texts: Sequence[str]) -> list[int | None]:
        """Return that nothing is known: the tokenizer is the server's."""
        return [None] * len(texts)

    def identity(self, *, chat: bool) -> Mapping[str, Any]:
        """Return what decides how prompts are made."""
        return {"engine": self.engine, "messages": chat}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def texts_of(arguments: Iterable[Any]) -> str:
    """Return what of a request's arguments is cut into tokens together."""
    return "".join(part for part in arguments if isinstance(part, str))
