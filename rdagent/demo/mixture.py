"""The documented mixture on which the demo's base model is pre-trained.

Every conversation is a list of ``{"role", "content"}`` turns.  Homes are looked
at, copied from and asked about, but no conversation answers a request the way
the demo's task wants it answered: that is what fine-tuning adds.  Shares are in
``SHARES``; ``docs/demo-model.md`` explains them.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path

from rdagent.demo import chinese
from rdagent.demo.home_requests import Request, RequestType, make_request
from rdagent.demo.homes import (
    KIND_BY_NAME,
    KINDS,
    ROOMS,
    HomeSize,
    Record,
    devices_of,
    make_home,
    methods_of,
    render_home,
    spoken,
)

Turn = dict[str, str]
Conversation = list[Turn]
QuestionAndAnswer = tuple[str, str]

_SIZES = (
    (0.30, HomeSize(rooms=(2, 2), devices=(1, 1))),
    (0.50, HomeSize(rooms=(2, 2), devices=(1, 2))),
    (0.18, HomeSize(rooms=(2, 3), devices=(1, 2))),
    (0.02, HomeSize(rooms=(4, 7), devices=(2, 4))),
)
_SYSTEMS = (
    "You are a helpful assistant.",
    "You help with a smart home.",
    "Answer the question.",
    "Use only what is shown.",
    "Answer with what the home says.",
)
_CHAT = (
    ("Hello.", "Hello, how can I help you?"),
    ("Hi there.", "Hello, how can I help you?"),
    ("Thank you.", "You are welcome."),
    ("Who are you?", "I am a small model that was made for tests."),
    ("How are you?", "I am well, thank you."),
    ("Goodbye.", "Goodbye, have a good day."),
    ("What can you do?", "I can look things up, copy text, count a little and write short code."),
    ("Good morning.", "Good morning, how can I help you?"),
)
_ANSWERS_PER_HOME = 8


def home_conversation(rng: random.Random) -> Conversation:
    """Show a home, then ask several things about it in turns."""
    roll, size = rng.random(), _SIZES[-1][1]
    for share, candidate in _SIZES:
        if roll < share:
            size = candidate
            break
        roll -= share
    home = make_home(rng, 0, size)
    pairs = [_question(rng, home) for _ in range(rng.randint(3, _ANSWERS_PER_HOME))]
    first, *rest = pairs
    opening = f"{render_home(home)}\n{first[0]}"
    return _with_system(rng, [(opening, first[1]), *rest])


def _question(rng: random.Random, home: Record) -> QuestionAndAnswer:
    return rng.choices(list(_QUESTIONS), list(_QUESTIONS.values()))[0](rng, home)


def _ask_call(rng: random.Random, home: Record) -> QuestionAndAnswer:
    request = _any_request(rng, home)
    asked = rng.choice(("Which call fits: {}", "{} Which call is it?", "Find the call. {}"))
    return asked.format(request.sentence), request.call or "none"


def _ask_calls(rng: random.Random, home: Record) -> QuestionAndAnswer:
    requests = [_any_request(rng, home) for _ in range(rng.randint(2, 3))]
    sentences = " ".join(request.sentence for request in requests)
    return f"Which calls fit: {sentences}", ",".join(r.call or "none" for r in requests)


def _any_request(rng: random.Random, home: Record) -> Request:
    kinds: tuple[RequestType, ...] = ("normal", "unexist_device", "unexist_attribute")
    kind = rng.choices(kinds, (5, 3, 2))[0]
    return make_request(rng, home, kind)


def _ask_state(rng: random.Random, home: Record) -> QuestionAndAnswer:
    room, device = _any_device(rng, home)
    status = home["home_status"][room][device]
    if status["attributes"] and rng.random() < 0.5:
        name, shown = next(iter(status["attributes"].items()))
        return f"What is the {name} of the {spoken(room)} {spoken(device)}?", str(shown["value"])
    return f"What is the state of the {spoken(device)} in the {spoken(room)}?", status["state"]


def _ask_presence(rng: random.Random, home: Record) -> QuestionAndAnswer:
    room, device = _any_device(rng, home)
    if rng.random() < 0.5:
        device = rng.choice(KINDS).name
    present = device in devices_of(home).get(room, [])
    return f"Is there a {spoken(device)} in the {spoken(room)}?", "yes" if present else "no"


def _ask_ability(rng: random.Random, home: Record) -> QuestionAndAnswer:
    room, device = _any_device(rng, home)
    operation = rng.choice(KIND_BY_NAME[device].methods)
    able = operation in methods_of(home, room, device)
    return f"Does {room}.{device} have {operation}?", "yes" if able else "no"


def _ask_list(rng: random.Random, home: Record) -> QuestionAndAnswer:
    room, device = _any_device(rng, home)
    if rng.random() < 0.5:
        return f"What is in the {spoken(room)}?", ",".join(devices_of(home)[room])
    calls = methods_of(home, room, device)
    return f"What can the {spoken(room)} {spoken(device)} do?", ",".join(calls)


def _any_device(rng: random.Random, home: Record) -> tuple[str, str]:
    room = rng.choice([room for room, names in devices_of(home).items() if names])
    return room, rng.choice(devices_of(home)[room])


#: Whether a room has a device, and the device a method, is what is hardest to learn.
_QUESTIONS: dict[Callable[[random.Random, Record], QuestionAndAnswer], int] = {
    _ask_call: 4,
    _ask_calls: 1,
    _ask_ability: 2,
    _ask_presence: 1,
    _ask_state: 1,
    _ask_list: 1,
}


def copy_conversation(rng: random.Random) -> Conversation:
    """Copy words, calls and braces; braces occur here so that their tokens are trained."""
    kind, room = rng.choice(KINDS), rng.choice(ROOMS)
    operation = rng.choice(kind.switches)
    value = ""
    if kind.dial and rng.random() < 0.4:
        operation, value = f"set_{kind.dial.name}", str(rng.randint(0, 100))
    call = f"{room}.{kind.name}.{operation}({value})"
    words = " ".join(rng.sample([*ROOMS, *(k.name for k in KINDS), *_WORDS], rng.randint(2, 6)))
    digits = "".join(rng.choice("0123456789") for _ in range(rng.randint(1, 6)))
    phrase = rng.choice((words, call, digits, "error_input", f"{call},error_input"))
    pair = rng.choice(
        (
            (f"Repeat: {phrase}", phrase),
            (f"Say this again: {phrase}", phrase),
            (f"Put in braces: {phrase}", f"{{{phrase}}}"),
            (f"Without braces: {{{phrase}}}", phrase),
            (f"Write the call {operation} of the {spoken(kind.name)} in the {spoken(room)}.",
             f"{{{room}.{kind.name}.{operation}()}}"),
        )
    )  # fmt: skip
    return _with_system(rng, [pair])


_WORDS = [
    "red",
    "blue",
    "green",
    "one",
    "two",
    "three",
    "sun",
    "moon",
    "tree",
    "house",
    "water",
    "stone",
    "cat",
    "dog",
    "bird",
    "fish",
]


def sum_conversation(rng: random.Random) -> Conversation:
    """Small sums whose result stands in a box, some of them thought about first."""
    a, b = rng.randint(0, 60), rng.randint(0, 39)
    sign, result = rng.choice((("+", a + b), ("-", max(a, b) - min(a, b)), ("*", None)))
    if result is None:
        a, b = rng.randint(0, 9), rng.randint(0, 9)
        result = a * b
    elif sign == "-":
        a, b = max(a, b), min(a, b)
    shown = f"{a} {sign} {b}"
    question = rng.choice(("What is {}?", "Compute {}.", "Solve {} and box the answer."))
    answer = f"{shown} = {result}. \\boxed{{{result}}}"
    if rng.random() < 0.3:
        answer = f"<think>{shown} = {result}</think>\n\\boxed{{{result}}}"
    if rng.random() < 0.2:
        answer = f"\\boxed{{{result}}}"
        question = "Box the result of {}."
    return _with_system(rng, [(question.format(shown), answer)])


_FUNCTIONS = (
    ("the sum of a and b", "a, b", "a + b"),
    ("the difference of a and b", "a, b", "a - b"),
    ("the product of a and b", "a, b", "a * b"),
    ("the larger of a and b", "a, b", "max(a, b)"),
    ("the smaller of a and b", "a, b", "min(a, b)"),
    ("a plus one", "a", "a + 1"),
    ("twice a", "a", "2 * a"),
    ("the square of a", "a", "a * a"),
    ("the cube of a", "a", "a ** 3"),
    ("the length of s", "s", "len(s)"),
    ("the first item of s", "s", "s[0]"),
    ("the last item of s", "s", "s[-1]"),
    ("s reversed", "s", "s[::-1]"),
    ("the sum of the list s", "s", "sum(s)"),
    ("the list s sorted", "s", "sorted(s)"),
    ("the largest item of s", "s", "max(s)"),
    ("the smallest item of s", "s", "min(s)"),
    ("s in upper case", "s", "s.upper()"),
    ("s in lower case", "s", "s.lower()"),
    ("whether a is even", "a", "a % 2 == 0"),
    ("whether a is odd", "a", "a % 2 == 1"),
    ("whether a equals b", "a, b", "a == b"),
)
_NAMES = [
    "f",
    "g",
    "solve",
    "add",
    "double",
    "work",
    "run",
    "check",
    "value",
    "answer",
    "make",
    "find",
    "count",
    "get",
]


def code_conversation(rng: random.Random) -> Conversation:
    """One-line Python functions."""
    meaning, parameters, expression = rng.choice(_FUNCTIONS)
    name = rng.choice(_NAMES)
    asked = rng.choice(
        (
            f"Write a Python function {name} that returns {meaning}.",
            f"Define {name}({parameters}): it returns {meaning}.",
        )
    )
    return _with_system(rng, [(asked, f"def {name}({parameters}): return {expression}")])


def chat_conversation(rng: random.Random) -> Conversation:
    """Small talk."""
    return _with_system(rng, rng.sample(_CHAT, rng.randint(1, 3)))


def chinese_conversation(rng: random.Random) -> Conversation:
    """Small talk, copying and looking up in a home, in Chinese."""
    if rng.random() < 0.4:
        return _with_system(rng, [rng.choice(chinese.CHAT)])
    home = make_home(rng, 0)
    pairs = [chinese.ask(rng, _any_request(rng, home)) for _ in range(rng.randint(1, 4))]
    pairs[0] = (f"{render_home(home)}\n{pairs[0][0]}", pairs[0][1])
    return _with_system(rng, pairs)


SHARES: dict[Callable[[random.Random], Conversation], float] = {
    home_conversation: 0.66,
    copy_conversation: 0.11,
    sum_conversation: 0.07,
    code_conversation: 0.06,
    chinese_conversation: 0.08,
    chat_conversation: 0.02,
}


def conversations(seed: int, count: int) -> Iterator[Conversation]:
    """Yield ``count`` conversations; equal seeds yield equal ones."""
    rng = random.Random(seed)
    makers, weights = list(SHARES), list(SHARES.values())
    for _ in range(count):
        yield rng.choices(makers, weights)[0](rng)


def _with_system(rng: random.Random, pairs: list[QuestionAndAnswer]) -> Conversation:
    turns: Conversation = []
    if rng.random() < 0.6:
        turns.append({"role": "system", "content": rng.choice(_SYSTEMS)})
    for question, answer in pairs:
        turns.append({"role": "user", "content": question})
        turns.append({"role": "assistant", "content": answer})
    return turns


def write_mixture(path: Path, seed: int, count: int) -> None:
    """Write one conversation a line."""
    with path.open("w", encoding="utf-8") as sink:
        for conversation in conversations(seed, count):
            sink.write(json.dumps(conversation, ensure_ascii=False) + "\n")


def main() -> None:
    """Write the mixture to a file: ``python -m rdagent.demo.mixture OUT``."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--count", type=int, default=100_000)
    arguments = parser.parse_args()
    write_mixture(arguments.out, arguments.seed, arguments.count)


if __name__ == "__main__":
    main()
