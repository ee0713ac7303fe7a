"""``contamination/judge``: asks a model, in both orders, whether two problems are the same.

Temperature 0 first; what is no verdict is asked again with a temperature, a few times, and then stays without one. The
model is tried with pairs of our own before it is asked about any of the stage's: a judge that cannot say one word must
stop the stage and not empty the dataset. Memory: one batch of pairs and their answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar

import pyarrow as pa
from pydantic import Field, field_validator

from assets.contamination.calibration import CALIBRATED, Known, calibration_rows, known_pairs
from assets.contamination.judge import CONTAMINATED, NO_VERDICT, Said, join_verdicts, read_verdict
from assets.kinds import Ask, GenerationKind, Input, Law, Prompts, Settings, Trial, operational
from assets.schemas import JUDGED, PAIR, REQUEST, table_of
from resources.engines.protocol import Sampling
from resources.errors import EngineError
from resources.identity import show_id

ORDERS = ("forward", "backward")
"""Slots: the problem first, or the benchmark's problem first."""

AGAIN = " again"
"""Added to a slot when it is asked with a temperature."""

MOST_AGAIN = 8
MAX_PAIR = 40_000
"""Longest pair that is asked about, in characters of both texts; a longer one has no verdict."""

PromptName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$", max_length=100)]


class JudgeSettings(Settings):
    """How the judge is asked."""

    prompt: PromptName = Field("judge", description="Prompt file without its ending; variables `first` and `second`.")
    max_tokens: int = Field(
        64, description="Longest answer, in tokens. More for models that reason first.", ge=1, le=1_000_000
    )
    stop: tuple[str, ...] = Field((), description="Stop phrases beside those of the prompt.", max_length=16)
    salt: str = Field("", description="Another word asks for other answers than those stored.", max_length=200)
    ask_again: int = Field(
        2, description="Times that a question without a verdict is asked again.", ge=0, le=MOST_AGAIN
    )
    ask_again_temperature: float = Field(0.7, description="Temperature of those questions.", gt=0, le=2)
    max_without_verdict: float = operational(
        0.2, description="Share of our calibration pairs without a verdict above which the stage stops.", ge=0, le=1
    )
    retries: int = operational(1, description="Times that a failed request is asked again within one build.", ge=0)
    max_failure_share: float = operational(
        0.05, description="Share of failed requests above which the stage stops.", ge=0, le=1
    )
    max_attempts: int = operational(
        3, description="Builds in which a request may fail before it is asked no more.", ge=1
    )
    batch_rows: int = operational(1024, description="Pairs that are worked on together.", ge=1, le=100_000)

    @field_validator("stop")
    @classmethod
    def _says_something(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if "" in value:
            raise ValueError("an empty stop phrase would end every answer at once")
        return value

    def sampling(self, prompt_stop: Sequence[str], temperature: float) -> Sampling:
        """All values, resolved."""
        stop = tuple(dict.fromkeys((*prompt_stop, *self.stop)))
        return Sampling(temperature=temperature, max_tokens=self.max_tokens, stop=stop)


class Judge(GenerationKind):
    """One verdict a pair: both orders are asked, and one True is enough."""

    name = "contamination/judge"
    version = 1
    description = "Asks a model in both orders whether a problem and a benchmark's problem are the same."
    settings_type = JudgeSettings
    inputs: ClassVar[Mapping[str, Input]] = {"pairs": Input(PAIR, "Pairs to be judged.")}
    law = Law("map", input="pairs", id="pair_id")
    main_input = "pairs"
    row_id = "pair_id"
    waves = 1 + MOST_AGAIN
    prompt_variables = frozenset({"first", "second"})
    histograms: ClassVar[tuple[str, ...]] = ("verdict",)

    def outputs(self, settings: JudgeSettings) -> Mapping[str, pa.Schema]:
        """Verdicts, what the model said of our own pairs, and the ledger."""
        return {"rows": JUDGED, "calibration": CALIBRATED, "requests": REQUEST}

    def next_requests(
        self, rows: pa.Table, completed: pa.Table, settings: JudgeSettings, prompts: Prompts
    ) -> Sequence[Ask]:
        """Both orders of each pair at first; then, as long as a pair lacks a verdict, the orders that gave none."""
        answers = _Answers(completed)
        stop = prompts.stop(settings.prompt)
        first = settings.sampling(stop, 0.0)
        again = settings.sampling(stop, settings.ask_again_temperature)
        asks: list[Ask] = []
        for row in _readable(rows):
            pair = row["pair_id"].bytes
            for order in _open_orders(answers, pair, settings.ask_again):
                texts = (row["problem"], row["benchmark_problem"])
                texts = texts if order == "forward" else texts[::-1]
                prompt = prompts.render(settings.prompt, {"first": texts[0], "second": texts[1]})
                asked = answers.asked(pair, order)
                if asked:
                    asks.append(Ask(pair, prompt, again, 1, asked - 1, order + AGAIN, settings.salt))
                else:
                    asks.append(Ask(pair, prompt, first, 1, slot=order, salt=settings.salt))
        return asks

    def finish(
        self, rows: pa.Table, completed: pa.Table, settings: JudgeSettings, stage: str
    ) -> Mapping[str, pa.Table]:
        """A verdict for every pair, also for one whose requests failed: that is none."""
        answers = _Answers(completed)
        judged: list[dict[str, Any]] = []
        for row in rows.select(["pair_id", "problem_id", "benchmark_id"]).to_pylist():
            ids = {name: value.bytes for name, value in row.items()}
            forward = answers.said(ids["pair_id"], "forward")
            backward = answers.said(ids["pair_id"], "backward")
            said = {"verdict_forward": forward, "verdict_backward": backward}
            judged.append(ids | said | {"verdict": join_verdicts(forward, backward)})
        return {"rows": table_of(JUDGED, judged)}

    def trial(self, settings: JudgeSettings) -> pa.Table:
        """Our calibration pairs."""
        return calibration_rows()

    def after_trial(self, rows: pa.Table, made: Mapping[str, pa.Table], settings: JudgeSettings, where: str) -> Trial:
        """How often the judge is right about them. Raises EngineError if too many have no verdict."""
        verdicts = {row["pair_id"].bytes: row["verdict"] for row in made["rows"].to_pylist()}
        found = [_calibrated(pair, verdicts[pair.pair_id]) for pair in known_pairs()]
        silent = [row for row in found if row["is_right"] is None]
        if len(silent) > settings.max_without_verdict * len(found):
            raise _unfit(silent[0], len(silent), len(found), settings, where)
        right = sum(row["is_right"] is True for row in found)
        wrong = [row for row in found if row["is_right"] is False]
        counts = {
            "calibration pairs": len(found),
            "calibration pairs judged right": right,
            "calibration pairs that are the same and were missed": sum(row["is_same"] for row in wrong),
            "calibration pairs that differ and were taken for the same": sum(not row["is_same"] for row in wrong),
            "calibration pairs without a verdict": len(silent),
        }
        return Trial({"calibration": table_of(CALIBRATED, found)}, {"contamination": counts})

    def samples(self, settings: JudgeSettings, problem_source: str) -> int:
        """Both orders."""
        return len(ORDERS)

    def most_samples(self, settings: JudgeSettings, problem_source: str) -> int:
        """Both orders, each asked again as often as may be."""
        return len(ORDERS) * (1 + settings.ask_again)


class _Answers:
    """What came back for the pairs of a batch, in the order in which it was asked for."""

    def __init__(self, completed: pa.Table) -> None:
        self._said: dict[tuple[bytes, str], list[Said]] = {}
        self._waiting: set[tuple[bytes, str]] = set()
        names = ["row_id", "slot", "sample_index", "status", "text", "finish_reason"]
        rows = completed.select(names).to_pylist()
        for row in sorted(rows, key=lambda row: (row["slot"].endswith(AGAIN), row["sample_index"])):
            key = (row["row_id"].bytes, row["slot"].removesuffix(AGAIN))
            said: Said = "none"
            if row["status"] == "completed":
                said = read_verdict(row["text"] or "", is_cut=row["finish_reason"] == "length")
            elif row["status"] == "failed":
                self._waiting.add(key)
            self._said.setdefault(key, []).append(said)

    def asked(self, pair: bytes, order: str) -> int:
        """How often."""
        return len(self._said.get((pair, order), ()))

    def said(self, pair: bytes, order: str) -> Said:
        """The first verdict, or none."""
        for said in self._said.get((pair, order), ()):
            if said != "none":
                return said
        return "none"

    def is_waiting(self, pair: bytes, order: str) -> bool:
        """A request failed and will be asked in the next build: nothing is asked instead of it."""
        return (pair, order) in self._waiting


def _open_orders(answers: _Answers, pair: bytes, most_again: int) -> Iterator[str]:
    """Orders of a pair that are still to be asked. One True decides, so that the other order need not."""
    if any(answers.said(pair, order) == "true" for order in ORDERS):
        return
    for order in ORDERS:
        is_open = answers.said(pair, order) == "none" and not answers.is_waiting(pair, order)
        if is_open and answers.asked(pair, order) <= most_again:
            yield order


def _readable(rows: pa.Table) -> Iterator[dict[str, Any]]:
    for row in rows.select(["pair_id", "problem", "benchmark_problem"]).to_pylist():
        if len(row["problem"]) + len(row["benchmark_problem"]) <= MAX_PAIR:
            yield row


def _calibrated(pair: Known, verdict: str) -> dict[str, Any]:
    return {
        "pair_id": pair.pair_id,
        "problem": pair.problem,
        "other": pair.other,
        "is_same": pair.is_same,
        "verdict": verdict,
        "is_right": None if verdict == NO_VERDICT else (verdict == CONTAMINATED) == pair.is_same,
    }


def _unfit(row: Mapping[str, Any], silent: int, count: int, settings: JudgeSettings, where: str) -> EngineError:
    return EngineError(
        f"the model cannot judge: {silent} of {count} pairs of our own have no verdict, more than "
        f"max_without_verdict = {settings.max_without_verdict}; one of them is {show_id(row['pair_id'])}: "
        f"{row['problem'][:80]!r}",
        where=where,
        fix=f"Give the role another model, or mend the prompt {settings.prompt!r} (it must ask for one word, True or "
        "False). Nothing was removed, and the answers are stored",
    )
