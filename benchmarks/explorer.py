"""Figures of the explorer: making an index, opening the page, searching and filtering, opening a problem, comparing.

Run: ``python benchmarks/explorer.py`` (1,000,000 rows, a minute), or ``--rows 14000000 --problems 600000`` for a
release of the largest recipe (12 GB of disk, some ten minutes). Rows are made here: problems of 30 words, few of them
common and many rare, solutions of 350 bytes that no compression makes smaller, and a provenance row for each, in the
fair order, so that the samples of a problem lie far apart. Beside the searches: the same question to DuckDB without an
index, over the text of the release.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb

from dagster_project.explorer.access import Reader, parquet
from dagster_project.explorer.compared import compare
from dagster_project.explorer.found import Wishes, find
from dagster_project.explorer.indexing import Index, open_index
from dagster_project.explorer.nearest import beside
from dagster_project.explorer.opened import open_problem
from dagster_project.explorer.places import Place, place_of_folder

LINE = "{:<52} {:>10} {:>10} {:>12}\n"
SHARD_ROWS = 500_000

PROBLEMS = """
create table problems as
select
    i as number,
    md5('problem ' || i)::uuid as problem_id,
    (
        select string_agg(
            'w' || floor(30000 * pow(hash(i * 40 + j) / 18446744073709551615.0, 3))::integer, ' ' order by j
        )
        from range(30) as words (j)
    ) || ' find $x^{{' || (i % 97) || '}}$' as problem,
    'source_' || (i % 4) as source,
    i % 40 = 0 as is_seed,
from range({problems}) as numbers (i)
"""

DATA = """
copy (
    select
        p.problem,
        concat(md5(r || 'a'), md5(r || 'b'), md5(r || 'c'), md5(r || 'd'), md5(r || 'e'), md5(r || 'f'), md5(r || 'g'),
            md5(r || 'h'), md5(r || 'i'), md5(r || 'j'), ' so $\\boxed{{', r % 100, '}}$') as generated_solution,
        (r % 100)::varchar as expected_answer,
        p.source as problem_source,
    from range({first}, {last}) as rows (r)
    inner join problems as p on p.number = r % {problems}
    order by r
) to '{path}' (format parquet, compression zstd, row_group_size 40960)
"""

PROVENANCE = """
copy (
    select
        md5('solution ' || r)::uuid::varchar as solution_id,
        p.problem_id::varchar as problem_id,
        if(p.is_seed, null, p.problem_id::varchar) as parent_id,
        p.problem_id::varchar as seed_problem_id,
        'source' as seed_source,
        p.number as seed_row,
        (r // {problems})::integer as k,
        r as rank,
        (r // {problems})::integer as sample_index,
        (hash(p.number) % 32)::integer as votes,
        32 as n_valid,
        (r % 100)::varchar as answer,
        md5('request ' || r)::uuid::varchar as request_key,
        md5('text ' || r)::uuid::varchar as text_hash,
        'new_solutions' as stage,
        'teacher' as role, 'model' as model, 'weights' as weights, '{{}}' as prompts, '{{}}' as sampling,
        (100 + hash(r) % 900)::integer as tokens,
    from range({first}, {last}) as rows (r)
    inner join problems as p on p.number = r % {problems}
    order by r
) to '{path}' (format parquet, compression zstd, row_group_size 122880)
"""


def main() -> None:
    """Make the rows, measure, print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--problems", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, help="Keep the rows and the index here, and use them again.")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="mathloom-explorer-"))
    try:
        if not (folder / "release").is_dir():
            make_release(folder, options.rows, options.problems)
        measure(folder)
    finally:
        if options.folder is None:
            shutil.rmtree(folder)


def make_release(folder: Path, rows: int, problems: int) -> None:
    """A released folder of ``rows`` rows, without a card."""
    with duckdb.connect(
        config={"threads": 2, "temp_directory": str(folder / "spill"), "memory_limit": "3GB"}
    ) as session:
        session.execute(PROBLEMS.format(problems=problems))
        shards = -(-rows // SHARD_ROWS)
        for name, statement in (("data", DATA), ("provenance", PROVENANCE)):
            (folder / "making" / name).mkdir(parents=True)
            for shard in range(shards):
                path = folder / "making" / name / f"train-{shard:05d}-of-{shards:05d}.parquet"
                first, last = shard * SHARD_ROWS, min(rows, (shard + 1) * SHARD_ROWS)
                session.execute(statement.format(problems=problems, first=first, last=last, path=path))
    (folder / "making").rename(folder / "release")


def measure(folder: Path) -> None:
    """Print the table."""
    sys.stdout.write(LINE.format("what", "median s", "worst s", "found"))
    place = place_of_folder(folder / "release")
    shutil.rmtree(folder / "index", ignore_errors=True)
    index = timed("make the index (2 GB for DuckDB)", lambda: open_index(place, folder / "index"), times=1)
    size = sum(path.stat().st_size for path in index.folder.rglob("*")) / 1e6
    data = sum(path.stat().st_size for path in (folder / "release").rglob("*")) / 1e6
    reader = timed("open: find the index and the first page", lambda: opened(folder), times=3)
    for words in ("w12", "w12 w345", "w20011", "w1 w2 w3", "x", "w2", "nothing"):
        search(reader, index, f"search {words!r}", Wishes(text=words))
    search(reader, index, "filter: one source", Wishes(source="source_2"))
    search(reader, index, "filter: votes of 30 and more", Wishes(least_votes=30))
    search(reader, index, "filter: 995 to 999 tokens", Wishes(shortest=995, longest=999))
    search(
        reader,
        index,
        "search 'w12', released, 900 tokens and more",
        Wishes(text="w12", status="released", shortest=900),
    )
    timed("open a problem with its samples", lambda: open_problem(reader, place, index, 77_777))
    text = "w17 w290 w1200 w7000 w15000 w29999 w5 w3 w800 find x"
    timed("nearest problems to a text", lambda: beside(reader, place, index, text).dataset, size=len)
    assert place.release is not None
    release = place.release
    timed(
        "compare with itself",
        lambda: compare(reader, release, release, "train"),
        times=1,
        size=lambda c: c.counts["same"],
    )
    bound = f"select count(distinct problem) from {parquet(release.files)} where problem like '%w345 %'"
    timed("bound: DuckDB over the text, without an index", lambda: reader.number(bound, seconds=600), times=1, size=int)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(
        f"release {data:,.0f} MB, index {size:,.0f} MB, peak memory {peak:,.0f} MB; {index.facts['rows']:,} rows"
    )
    sys.stdout.write(f" of {index.facts['problems']:,} problems\n")


def opened(folder: Path) -> Reader:
    """What a start does but for importing Gradio: the place, the index, the first page."""
    place: Place = place_of_folder(folder / "release")
    index = open_index(place, folder / "index")
    reader = Reader([*place.folders, index.folder], folder / "spill")
    find(reader, index, Wishes())
    return reader


def search(reader: Reader, index: Index, what: str, wishes: Wishes) -> None:
    """One question, several times."""
    timed(what, lambda: find(reader, index, wishes), size=lambda found: found.count)


def timed(what: str, run: Callable[[], Any], *, times: int = 5, size: Callable[[Any], int] | None = None) -> Any:
    """Print how long ``run`` took; the first time, with cold caches, is among them."""
    seconds: list[float] = []
    result: Any = None
    for _ in range(times):
        start = time.perf_counter()
        result = run()
        seconds.append(time.perf_counter() - start)
    count = f"{size(result):,}" if size else ""
    sys.stdout.write(LINE.format(what, f"{statistics.median(seconds):.2f}", f"{max(seconds):.2f}", count))
    sys.stdout.flush()
    return result


if __name__ == "__main__":
    main()
