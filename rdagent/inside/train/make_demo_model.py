"""Make the demo's base model: a byte-level BPE tokenizer and a small Llama, pre-trained.

Runs in the training image, or in any environment with torch and transformers:
``python -m rdagent.inside.train.make_demo_model MIXTURE OUT``.  The mixture comes
from ``rdagent.demo.mixture``.  The seed fixes the data order and the start; the
exact bytes of the weights still depend on torch's kernels, so the committed model
is known by its digest and not by a promise to come out equal elsewhere.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

VOCABULARY_SIZE = 1024
CONTEXT = 2048
PAD, START, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
#: Words without their blank, digits one by one: a word is the same token wherever it stands.
WORD_PATTERN = r"[A-Za-z_]+|[0-9]|\(\)| +|\n|[^A-Za-z0-9_\s]"
#: What is read teaches a little, what is answered teaches fully.
READING_WEIGHT = 0.1

Conversation = list[dict[str, str]]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How long and how fast the model is trained."""

    tokens: int
    tokens_per_step: int = 4_096
    peak_rate: float = 2e-3
    warmup: float = 0.03
    #: The first share of the tokens is read in short conversations only.
    short_share: float = 0.2
    short_length: int = 200
    seed: int = 7


@dataclass(frozen=True, slots=True)
class Example:
    """Token ids of one conversation and, per token, its weight in the loss."""

    ids: torch.Tensor
    weights: torch.Tensor


def make_tokenizer(conversations: list[Conversation]) -> PreTrainedTokenizerFast:
    """Train the tokenizer on the text of the mixture."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORD_PATTERN), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY_SIZE,
        special_tokens=[PAD, START, END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    text = (turn["content"] for conversation in conversations for turn in conversation)
    tokenizer.train_from_iterator(text, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END,
        pad_token=PAD,
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = CHAT_TEMPLATE
    return fast


def make_model(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """Build the untrained model; its vocabulary has exactly the tokenizer's size."""
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=128,
            num_hidden_layers=4,
            num_attention_heads=4,
            num_key_value_heads=2,
            intermediate_size=384,
            max_position_embeddings=CONTEXT,
            tie_word_embeddings=True,
            attention_bias=True,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            attn_implementation="sdpa",
        )
    )


def encode(tokenizer: PreTrainedTokenizerFast, conversation: Conversation) -> Example:
    """Tokenize turn by turn as the chat template writes them; answers and their end weigh fully."""
    ids: list[int] = []
    weights: list[float] = []
    for turn in conversation:
        head = tokenizer.encode(f"{START}{turn['role']}\n", add_special_tokens=False)
        body = tokenizer.encode(f"{turn['content']}{END}", add_special_tokens=False)
        tail = tokenizer.encode("\n", add_special_tokens=False)
        answered = turn["role"] == "assistant"
        ids += head + body + tail
        weights += [0.0] * len(head)
        weights += [1.0 if answered else READING_WEIGHT] * len(body)
        weights += [0.0] * len(tail)
    return Example(torch.tensor(ids[:CONTEXT]), torch.tensor(weights[:CONTEXT]))


def batches(examples: list[Example], rng: random.Random, limit: int) -> Iterator[list[Example]]:
    """Yield batches for ever: near-equal lengths together, at most ``limit`` padded tokens."""
    while True:
        order = sorted(examples, key=lambda e: len(e.ids) + rng.random() * 24)
        groups: list[list[Example]] = [[]]
        for example in order:
            if groups[-1] and len(example.ids) * (len(groups[-1]) + 1) > limit:
                groups.append([])
            groups[-1].append(example)
        rng.shuffle(groups)
        yield from groups


def loss_of(model: LlamaForCausalLM, batch: list[Example]) -> tuple[torch.Tensor, float]:
    """Return the weighted loss and the share of answer tokens that were predicted right."""
    ids = torch.nn.utils.rnn.pad_sequence([e.ids for e in batch], batch_first=True)
    weights = torch.nn.utils.rnn.pad_sequence([e.weights for e in batch], batch_first=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(input_ids=ids[:, :-1]).logits.float()
    target, weight = ids[:, 1:], weights[:, 1:]
    each = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), target.flatten(), reduction="none"
    )
    loss = (each * weight.flatten()).sum() / weight.sum()
    answered = weight == 1.0
    right = (logits.argmax(-1) == target)[answered].float().mean().item()
    return loss, right


def pretrain(
    model: LlamaForCausalLM, examples: list[Example], recipe: Recipe, snapshot: Callable[[], None]
) -> None:
    """Train until the tokens are used: short conversations first, then all of them."""
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=recipe.peak_rate, betas=(0.9, 0.98), weight_decay=0.01
    )
    started, seen = time.monotonic(), 0
    for step, batch in enumerate(_curriculum(examples, recipe), start=1):
        for group in optimizer.param_groups:
            group["lr"] = recipe.peak_rate * _schedule(seen / recipe.tokens, recipe.warmup)
        loss, right = loss_of(model, batch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        seen += sum(len(example.ids) for example in batch)
        if step % 100 == 0:
            rate = seen / (time.monotonic() - started)
            line = f"step {step} {seen / recipe.tokens:.1%} {rate:.0f} tokens/s"
            print(f"{line} loss {loss.item():.4f} right {right:.3f}", flush=True)
        if step % 1000 == 0:
            snapshot()


def _curriculum(examples: list[Example], recipe: Recipe) -> Iterator[list[Example]]:
    rng = random.Random(recipe.seed)
    short = [example for example in examples if len(example.ids) <= recipe.short_length]
    seen = 0
    for pool, until in ((short, recipe.short_share), (examples, 1.0)):
        for batch in batches(pool, rng, recipe.tokens_per_step):
            if seen >= until * recipe.tokens:
                break
            seen += sum(len(example.ids) for example in batch)
            yield batch


def _schedule(spent: float, warmup: float) -> float:
    if spent < warmup:
        return max(spent / warmup, 0.01)
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * (spent - warmup) / (1 - warmup)))


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, out: Path) -> None:
    """Write model and tokenizer in half precision; the model at hand stays as it is."""
    halved = copy.deepcopy(model).to(torch.bfloat16)
    halved.generation_config.do_sample = False
    halved.save_pretrained(out)
    tokenizer.save_pretrained(out)
    _compute_in_single_precision(out / "config.json")


def _compute_in_single_precision(path: Path) -> None:
    """Say that the weights are to be loaded as float32: few processors are quick in bfloat16."""
    config = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**config, "dtype": "float32"}, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    """Make the demo's base model."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("mixture", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--million-tokens", type=float, default=36.0)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    recipe = Recipe(tokens=int(arguments.million_tokens * 1e6))
    torch.manual_seed(recipe.seed)
    with arguments.mixture.open(encoding="utf-8") as lines:
        conversations = [json.loads(line) for line in lines]
    tokenizer = make_tokenizer(conversations[:20_000])
    examples = [encode(tokenizer, conversation) for conversation in conversations]
    model = make_model(tokenizer)
    print(f"{model.num_parameters()} parameters", flush=True)
    pretrain(model, examples, recipe, lambda: save(model, tokenizer, arguments.out))
    save(model, tokenizer, arguments.out)


if __name__ == "__main__":
    main()
