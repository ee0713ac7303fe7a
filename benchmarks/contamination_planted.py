"""Planted contamination: what each stage finds, alone and together, and what it removes by mistake.

Run: ``python benchmarks/contamination_planted.py`` (half a minute, on problems made here), or with ``--data FOLDER``,
a folder of ``*_train.jsonl`` and ``*_test.jsonl`` (columns problem or question). 500 benchmark problems are planted
among the training problems as copies, in five re-wordings, and with other numbers as controls.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from assets.contamination.ngrams import Index
from benchmarks.made_problems import made_problems
from benchmarks.planting import REWORDINGS, renumbered
from resources.embedders.lexical.embedder import LexicalEmbedder
from resources.embedders.protocol import Vectors
from resources.vectors.nearest import top_k

PLANTED = 500
TOP = 5
LEAST_FOUND = 0.98
NGRAM = 13
MAX_SIMILARITY = 0.9
"""What the stages remove by default, where no judge decides."""
THRESHOLDS = (0.75, 0.8, 0.85, 0.9, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98)
MADE = (13_000, 60_000)
"""Benchmark and training problems where no folder is given."""
LINE = "{:<26}{:>7}{:>9}{:>9}{:>9}{:>9}{:>9}\n"


def main() -> None:
    """Measure and print three tables; exit code 1 if too few are found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of *_train.jsonl and *_test.jsonl")
    options = parser.parse_args()
    if options.data:
        benchmark, train = read(options.data, "test"), read(options.data, "train")
    else:
        benchmark, train = list(made_problems(MADE[0], 1)), list(made_problems(MADE[1], 2))
    embedder = LexicalEmbedder(benchmark)
    corpus = embedder.embed(benchmark)
    chosen = random.Random(0).sample(range(len(benchmark)), min(PLANTED, len(benchmark)))
    sys.stdout.write(f"{len(benchmark):,} benchmark problems, {len(train):,} training problems\n\n")
    sys.stdout.write(LINE.format("planted", "changed", "first", "top 5", "lowest", "5 %", "median"))
    found, alike = [], []
    groups: dict[str, list[tuple[int, str]]] = {}
    for name, change in REWORDINGS.items():
        texts = [change(benchmark[i], random.Random(i)) for i in chosen]
        kept = [(i, t) for i, t in zip(chosen, texts, strict=True) if name == "copied" or t != benchmark[i]]
        groups[name] = kept
        places, own = look(embedder, corpus, kept)
        found.append(places)
        alike.append(own)
        show(name, places, own)
    controls = [(i, renumbered(benchmark[i], random.Random(i))) for i in chosen]
    groups["other numbers (controls)"] = [(i, t) for i, t in controls if t != benchmark[i]]
    places, own_controls = look(embedder, corpus, groups["other numbers (controls)"])
    show("other numbers (controls)", places, own_controls)
    others = best(embedder.embed(train), corpus)
    recall = float(np.mean(np.concatenate(found) < TOP))
    sys.stdout.write(f"\nfound in the top {TOP}: {recall:.2%} of all copies and re-wordings\n")
    groups["training problems"] = [(-1, text) for text in train]
    stages(Index([pa.array(benchmark)]), embedder, corpus, groups)
    thresholds(np.concatenate(alike[1:]), own_controls, others)
    histogram(np.concatenate(alike[1:]), own_controls, others)
    raise SystemExit(recall < LEAST_FOUND)


def read(folder: Path, split: str) -> list[str]:
    """Problems of all files of a split, each text once."""
    rows = (
        json.loads(line)
        for path in sorted(folder.glob(f"*_{split}.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
    )
    return list(dict.fromkeys(row.get("problem") or row["question"] for row in rows))


def look(
    embedder: LexicalEmbedder, corpus: Vectors, planted: Sequence[tuple[int, str]]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """For each planted text the place of its own benchmark problem among the nearest (TOP: not there), and how near."""
    vectors = embedder.embed([text for _, text in planted])
    found = top_k(vectors, corpus, TOP)
    own = np.array([number for number, _ in planted])
    places = np.full(len(planted), TOP, np.int64)
    owner = np.repeat(np.arange(len(planted)), np.diff(found.offsets))
    hits = np.flatnonzero(found.rows == own[owner])
    places[owner[hits]] = hits - found.offsets[owner[hits]]
    return places, np.einsum("ij,ij->i", vectors, corpus[own])


def stages(
    index: Index, embedder: LexicalEmbedder, corpus: Vectors, groups: Mapping[str, Sequence[tuple[int, str]]]
) -> None:
    """What each stage would remove. The judge's column is its best case: it is right about every pair that it sees.

    Of training problems nobody knows which are contaminated: what the judge would say of them is not shown.
    """
    line = "{:<26}{:>7}{:>9}{:>9}{:>9}{:>9}{:>12}{:>12}\n"
    head = ("removed by", "texts", "exact", "13-gram", "similar", "any", "judge sees", "and judge")
    sys.stdout.write("\n" + line.format(*head))
    for name, planted in groups.items():
        texts = [text for _, text in planted]
        overlaps = list(index.overlaps(pa.array(texts)))
        exact = np.concatenate([found.is_exact for found in overlaps])
        gram = np.concatenate([found.size >= NGRAM for found in overlaps])
        similar = best(embedder.embed(texts), corpus) > MAX_SIMILARITY
        either = exact | gram | similar
        shares = [f"{np.mean(mask):.1%}" for mask in (exact, gram, similar, either)]
        if planted[0][0] < 0:
            sys.stdout.write(line.format(name, len(texts), *shares, "", ""))
            continue
        sees = look(embedder, corpus, planted)[0] < TOP
        is_control = "controls" in name
        judged = exact if is_control else exact | sees
        sys.stdout.write(line.format(name, len(texts), *shares, f"{np.mean(sees):.1%}", f"{np.mean(judged):.1%}"))


def best(vectors: Vectors, corpus: Vectors) -> npt.NDArray[np.float32]:
    """Similarity of the nearest benchmark problem of each text."""
    found = top_k(vectors, corpus, 1)
    similarities = np.zeros(len(vectors), np.float32)
    similarities[np.diff(found.offsets) > 0] = found.similarities
    return similarities


def show(name: str, places: npt.NDArray[np.int64], own: npt.NDArray[np.float32]) -> None:
    """One line of the first table."""
    low, few, half = np.quantile(own, (0, 0.05, 0.5))
    shares = (f"{np.mean(places < 1):.1%}", f"{np.mean(places < TOP):.1%}")
    sys.stdout.write(LINE.format(name, len(places), *shares, f"{low:.2f}", f"{few:.2f}", f"{half:.2f}"))


def thresholds(planted: npt.NDArray[np.float32], controls: npt.NDArray[np.float32], others: npt.NDArray) -> None:
    """What would go if similarity alone decided."""
    line = "{:>14}{:>12}{:>12}{:>12}\n"
    sys.stdout.write("\n" + line.format("removed above", "re-wordings", "controls", "others"))
    for least in THRESHOLDS:
        shares = [f"{np.mean(values > least):.2%}" for values in (planted, controls, others)]
        sys.stdout.write(line.format(f"{least:.2f}", *shares))


def histogram(planted: npt.NDArray[np.float32], controls: npt.NDArray[np.float32], others: npt.NDArray) -> None:
    """How alike they are, in steps of 0.05."""
    line = "{:>14}{:>12}{:>12}{:>12}\n"
    edges = np.linspace(0, 1, 21)
    sys.stdout.write("\n" + line.format("similarity", "re-wordings", "controls", "others"))
    counts = [np.histogram(np.clip(values, 0, 1), edges)[0] for values in (planted, controls, others)]
    for i, low in enumerate(edges[:-1]):
        sys.stdout.write(line.format(f"{low:.2f}", *(f"{count[i]:,}" for count in counts)))


if __name__ == "__main__":
    main()
