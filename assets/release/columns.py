"""What each released column means, in words. BUILD.json says it, and so does the card.

A changed meaning is a major release, even where name and type stay: reword here only what readers should notice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pyarrow as pa

from assets.schemas import MATCH

MEANINGS: Mapping[str, Mapping[str, str]] = {
    "default": {
        "problem": "The problem, as the model read it.",
        "generated_solution": "The solution, with trims and rewrites applied.",
        "expected_answer": "The answer that counts as right. For new problems it is a vote and can be wrong.",
        "problem_source": "Where the problem comes from; `augmented_` marks problems written by a model.",
    },
    "provenance": {
        "solution_id": "Hash of problem_id and request_key: names the row.",
        "problem_id": "Hash of the problem text.",
        "parent_id": "problem_id of the problem that it was made from; null for a seed.",
        "seed_problem_id": "problem_id of the seed that it goes back to.",
        "seed_source": "The source of that seed.",
        "seed_row": "Row of that source, counted from 0.",
        "k": "Round of fair downsampling, from 0.",
        "rank": "Place in the order of the release, from 0.",
        "sample_index": "Which sample of its prompt, from 0.",
        "votes": "Solutions that agree on the expected answer; null where there was no vote.",
        "n_valid": "Solutions with an answer, among which the vote was; null where there was no vote.",
        "answer": "The answer that was read out of the solution.",
        "request_key": "Hash of everything that decided the completion.",
        "text_hash": "Hash of the released text.",
        "stage": "The stage that asked.",
        "role": "The role that answered.",
        "model": "The model, by name.",
        "weights": "What names its weights exactly.",
        "prompts": "Prompt -> hash, as JSON.",
        "sampling": "Settings of the stage that asked, as JSON.",
        "start": "First code point of the completion that is released.",
        "end": "Code point of the completion after the last one that is released.",
        "is_trimmed": "Whether less than the whole completion is released.",
        "is_rewritten": "Whether a rule wrote the text anew.",
        "finish_reason": "stop or length: how the completion ended.",
        "prompt_tokens": "Tokens of the prompt, as the engine counted them.",
        "completion_tokens": "Tokens of the completion, as the engine counted them.",
        "tokens": "Tokens of the released text.",
    },
    "contamination": {f.name: (f.metadata or {}).get(b"description", b"").decode() for f in MATCH},
}
"""Config -> column -> meaning."""


def described(configs: Iterable[tuple[str, pa.Schema]]) -> dict[str, list[list[str]]]:
    """Config -> [name, type, meaning] of each column, in order: what BUILD.json says of the schema."""
    return {
        config: [[f.name, str(f.type), MEANINGS.get(config, {}).get(f.name, "")] for f in schema]
        for config, schema in configs
    }
