"""Embeds with the real library: ``python -m tests.environments.embedding_facts FOLDER``.

Runs in the evaluation role's environment and writes ``facts.json``; ``test_embeddings``
checks a property of them in each test.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    AutoTokenizer,
    BertConfig,
    BertModel,
    GPT2Config,
    GPT2LMHeadModel,
)

from rdagent.demo import paths
from rdagent.inside.embed.__main__ import main
from rdagent.inside.embed.model import load, token_limit
from rdagent.records.embeddings import (
    EMBEDDED_FILE,
    VECTORS_FILE,
    Embedded,
    EmbedRequest,
    Pooling,
)
from rdagent.records.status import InsideStatus

SAID = "turn off the heater of dining room kitchen light set fan to 3 and open blinds"
WORDS = SAID.split(" ")
TEXTS = [" ".join(WORDS[i % 7 :] * (1 + i % 5))[: 3 + 11 * i] for i in range(24)]
SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}


def embedded(
    folder: Path, model: Path, pooling: Pooling, texts: list[str], **told: Any
) -> torch.Tensor:
    """Return what the program writes for texts."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "texts.jsonl").write_text("".join(json.dumps(text) + "\n" for text in texts))
    request = EmbedRequest(str(model), str(folder / "texts.jsonl"), str(folder), pooling, **told)
    (folder / "request.json").write_text(json.dumps(request.to_json()))
    assert main([str(folder / "request.json")]) == 0, InsideStatus.read(folder)
    said = Embedded.from_json(json.loads((folder / EMBEDDED_FILE).read_text()))
    content = bytearray((folder / VECTORS_FILE).read_bytes())
    return torch.frombuffer(content, dtype=torch.float32).reshape(said.count, said.dimension)


def alone(model: Path, pooling: Pooling) -> torch.Tensor:
    """Return the vectors of texts that are read one by one, without any padding."""
    tokenizer = AutoTokenizer.from_pretrained(model)
    loaded = AutoModel.from_pretrained(model, dtype=torch.float32).eval()
    rows = []
    for text in TEXTS:
        with torch.inference_mode():
            states = loaded(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
        rows.append({"mean": states.mean(dim=0), "cls": states[0], "last": states[-1]}[pooling])
    return torch.nn.functional.normalize(torch.stack(rows), dim=1)


def as_the_seed_reads(model: Path, side: str) -> torch.Tensor:
    """Return the hidden states at position -1 of one padded batch, no position told."""
    tokenizer = AutoTokenizer.from_pretrained(model, padding_side=side)
    loaded = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
    batch = tokenizer(TEXTS, return_tensors="pt", padding=True)
    with torch.inference_mode():
        states = loaded(**batch, output_hidden_states=True).hidden_states[-1][:, -1]
    return torch.nn.functional.normalize(states, dim=1)


def apart(left: torch.Tensor, right: torch.Tensor) -> float:
    """Return by how much two sets of vectors differ at most."""
    return float((left - right).abs().max())


def differences(folder: Path, model: Path, pooling: Pooling) -> dict[str, float]:
    """Return how far the program is from texts read one by one, however they are batched."""
    truth = alone(model, pooling)
    backwards = list(reversed(TEXTS))
    return {
        "together": apart(embedded(folder, model, pooling, TEXTS), truth),
        "one by one": apart(embedded(folder, model, pooling, TEXTS, batch_tokens=1), truth),
        "backwards": apart(embedded(folder, model, pooling, backwards).flip(0), truth),
        "in fives": apart(embedded(folder, model, pooling, TEXTS, batch_tokens=300), truth),
    }


def make_models(folder: Path) -> dict[str, Path]:
    """Return models: rotated positions, learned ones, and one that reads both ways."""
    tokenizer = AutoTokenizer.from_pretrained(paths.MODEL)
    torch.manual_seed(0)
    wide = {"initializer_range": 0.5, "vocab_size": len(tokenizer), "pad_token_id": 0}
    gpt2 = GPT2Config(n_embd=32, n_layer=2, n_head=2, n_positions=512, **wide)
    bert = BertConfig(**SIZES, intermediate_size=64, max_position_embeddings=512, **wide)
    made = {"gpt2": GPT2LMHeadModel(gpt2), "bert": BertModel(bert)}
    for name, model in made.items():
        model.save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
    return {"tiny": paths.MODEL, **{name: folder / name for name in made}}


def cut(folder: Path, model: Path) -> dict[str, Any]:
    """Return what becomes of texts that are too long."""
    embedded(folder / "cut", model, "mean", ["light", "turn off the light"], max_tokens=3)
    said = Embedded.from_json(json.loads((folder / "cut" / EMBEDDED_FILE).read_text()))
    whole = folder / "whole"
    whole.mkdir()
    (whole / "texts.jsonl").write_text(json.dumps("turn off the light") + "\n")
    request = EmbedRequest(
        str(model), str(whole / "texts.jsonl"), str(whole), "last", 3, whole=True
    )
    (whole / "request.json").write_text(json.dumps(request.to_json()))
    code = main([str(whole / "request.json")])
    status = InsideStatus.read(whole)
    return {
        "cut": list(said.cut),
        "code": code,
        "reason": status.reason,
        "vectors": (whole / VECTORS_FILE).exists(),
    }


def limits(models: dict[str, Path]) -> dict[str, int]:
    """Return how many tokens a text may have."""
    request = EmbedRequest(str(models["bert"]), "", "", "mean")
    embedder = load(request)
    config = embedder.model.config
    found = {"bert": embedder.max_tokens}
    found["told"] = token_limit(embedder.tokenizer, config, 7)
    config.model_type, config.pad_token_id = "xlm-roberta", 1
    return {**found, "xlm-roberta": token_limit(embedder.tokenizer, config, None)}


def facts(folder: Path) -> dict[str, Any]:
    """Return all that the tests look at."""
    models = make_models(folder / "models")
    kinds: dict[str, tuple[Pooling, ...]] = {
        "tiny": ("last", "mean"),
        "gpt2": ("last",),
        "bert": ("mean", "cls"),
    }
    return {
        **{
            f"{name} {pooling}": differences(folder / name / pooling, models[name], pooling)
            for name, poolings in kinds.items()
            for pooling in poolings
        },
        "padded on the right": apart(
            as_the_seed_reads(models["tiny"], "right"), alone(models["tiny"], "last")
        ),
        "positions not told": apart(
            as_the_seed_reads(models["gpt2"], "left"), alone(models["gpt2"], "last")
        ),
        "long": cut(folder, models["tiny"]),
        "limits": limits(models),
    }


if __name__ == "__main__":
    place = Path(sys.argv[1])
    (place / "facts.json").write_text(json.dumps(facts(place)))
