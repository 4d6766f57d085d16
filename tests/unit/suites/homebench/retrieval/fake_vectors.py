"""Vectors of words in common, and a backend whose jobs compute them."""

import hashlib
import json
import re
from pathlib import Path

import numpy as np

from rdagent.jobs.backends.fake import FakeBackend, Program
from rdagent.records.embeddings import (
    EMBEDDED_FILE,
    TEXTS_FILE,
    VECTORS_FILE,
    Embedded,
)
from rdagent.records.status import InsideStatus
from rdagent.suites.homebench.retrieval.vectors import Vectors

LENGTH = 256
ARGV = ("python", "-m", "rdagent.inside.embed", "/job/in/request.json")


def vector(text):
    """Return a unit vector: one place for each word."""
    found = np.zeros(LENGTH, "<f4")
    for word in {*re.findall(r"[a-z]+", text.lower()), "text"}:
        found[int(hashlib.sha256(word.encode()).hexdigest(), 16) % LENGTH] += 1
    return found / np.linalg.norm(found)


def vectors_of(texts, cut=()):
    matrix = np.stack([vector(text) for text in texts])
    return Vectors({text: place for place, text in enumerate(texts)}, matrix, frozenset(cut))


class EmbeddingBackend(FakeBackend):
    """Runs embedding jobs; what each was given, and how its files are spoilt."""

    def __init__(self, *, reason="ok", cut=(), spoil=lambda out: None):
        self.reason, self.cut, self.spoil = reason, cut, spoil
        self.requests, self.texts = [], []
        super().__init__({ARGV: Program(does=self.act, exit_code=0 if reason == "ok" else 1)})

    def ensure(self, role, accelerator="cpu", *, progress):
        self.images.add("lm-eval")
        return super().ensure(role, accelerator, progress=progress)

    def act(self, words, out):
        self.requests.append(json.loads(words.files["request.json"]))
        mounts = {mount.name: Path(mount.source) for mount in self.created[-1].mounts}
        lines = (mounts["texts"] / TEXTS_FILE).read_text("utf-8").splitlines()
        texts = [json.loads(line) for line in lines]
        self.texts.append(texts)
        if self.reason == "ok":
            write_vectors(out, texts, self.cut)
        self.spoil(out)
        InsideStatus(self.reason, "a text is too long" if self.reason != "ok" else "").write(out)


def write_vectors(out, texts, cut=()):
    """Write what the program inside writes."""
    content = np.stack([vector(text) for text in texts]).astype("<f4").tobytes()
    (out / VECTORS_FILE).write_bytes(content)
    said = Embedded(
        count=len(texts),
        dimension=LENGTH,
        cut=tuple(place for place, text in enumerate(texts) if text in cut),
        longest=9,
        max_tokens=99,
        device="cpu",
        dtype="float32",
        sha256=hashlib.sha256(content).hexdigest(),
    )
    (out / EMBEDDED_FILE).write_text(json.dumps(said.to_json()))
