"""The SQL that makes an index: narrow tables first, text last. No value of a row ever comes into these texts.

``{name}`` is filled with relations over files and with expressions of ours (see ``indexing``). Memory is DuckDB's,
which spills; the widest table has one narrow row a solution.
"""

from __future__ import annotations

WORD = "[\\p{L}]+|[0-9]+(?:\\.[0-9]+)?"
"""A word: letters of any script, or a number. Commands of LaTeX are words too (`frac`), braces and signs are none."""

MAX_WORD = 40
MAX_WORDS = 400
"""Of one problem: a hostile text of a million words must not fill the index."""

MAX_INDEXED = 20_000
"""Characters of a problem that are read for words."""


def words_of(text: str) -> str:
    """SQL for the words of ``text`` (an expression), in order: problems and questions are cut by the same one."""
    found = f"regexp_extract_all(lower(nfc_normalize(left({text}, {MAX_INDEXED}))), '{WORD}')"
    return f"list_transform(({found})[:{MAX_WORDS}], lambda word: left(word, {MAX_WORD}))"


SPLIT_OF_ORIGIN = """
select
    {split_no}::smallint as split_no,
    {files}[d.file_index::bigint + 1]::smallint as file,
    d.file_row_number::integer as line,
    p.problem_id::uuid as problem_id,
    p.solution_id::uuid as solution_id,
    p.request_key::uuid as request_key,
    p.parent_id is null and p.seed_source is not null as is_seed,
    p.stage,
    p.sample_index::integer as sample_index,
    p.answer,
    p.votes::integer as votes,
    p.n_valid::integer as n_valid,
    p.tokens::integer as tokens,
    {length} as characters,
from {data} as d
positional join {provenance} as p
"""
"""Rows of one split with their provenance, which belongs to them by place. Both are scanned once, in order."""

SPLIT_WITHOUT = """
select
    {split_no}::smallint as split_no,
    {files}[d.file_index::bigint + 1]::smallint as file,
    d.file_row_number::integer as line,
    md5(d.problem)::uuid as problem_id,
    null::uuid as solution_id,
    null::uuid as request_key,
    false as is_seed,
    null::varchar as stage,
    null::integer as sample_index,
    null::varchar as answer,
    null::integer as votes,
    null::integer as n_valid,
    null::integer as tokens,
    {length} as characters,
from {data} as d
"""
"""Rows of a dataset that says nothing of their origin."""

NO_SPLITS = SPLIT_WITHOUT.format(
    split_no=0, files="[0]", length=0, data="(select '' as problem, 0 as file_index, 0 as file_row_number where false)"
)

KEPT = """
create or replace temp table kept as
select r.*, m.splits
from released as r
inner join (
    select key, bit_or(1::bigint << split_no) as splits, min((split_no, file, line)) as spot
    from (select *, {key} as key from released)
    group by key
) as m on (r.split_no, r.file, r.line) = m.spot
"""
"""Each released row once, with the splits that have it: splits are nested, and may share files."""

KNOWN = """
create or replace temp table known as
with spots as (
    select
        problem_id,
        min((split_no, file, line)) as spot,
        max(votes) as votes,
        max(n_valid) as n_valid,
        bool_or(is_seed) as is_seed,
    from kept
    group by problem_id
)

select
    s.problem_id,
    t.problem,
    t.source,
    t.expected_answer,
    s.is_seed,
    s.votes,
    s.n_valid,
    -1 as part_index,
    s.spot,
from spots as s
inner join ({texts}) as t on t.file = s.spot[2] and t.line = s.spot[3]
"""
"""Problems of the release. Its problems have the part -1: where a stage has them too, the stage's row counts."""

TEXTS = """
select
    {files}[d.file_index::bigint + 1]::smallint as file,
    d.file_row_number::integer as line,
    d.problem,
    {source} as source,
    {expected} as expected_answer,
from {data} as d
"""

STAGED = """
insert into known
select
    p.problem_id,
    p.problem,
    p.problem_source,
    coalesce(e.expected_answer, p.expected_answer),
    s.child_id is not null,
    e.votes,
    e.n_valid,
    p.part_index,
    k.spot,
from (
    select distinct on (problem_id) problem_id, problem, problem_source, expected_answer, part_index
    from {problems}
    order by problem_id, part_index, problem_source, expected_answer
) as p
left join (
    select distinct on (problem_id) problem_id, expected_answer, votes, n_valid
    from {expected}
    order by problem_id, part_index, expected_answer
) as e on e.problem_id = p.problem_id
left join (select distinct child_id from {edges} where relation = 'seed') as s on s.child_id = p.problem_id
left join known as k on k.problem_id = p.problem_id
"""
"""Problems of the stages: those of the release among them, and those that were removed."""

REJECTED = """
create or replace temp table rejected as
select distinct on (id) id, rule, coalesce(detail, reason) as detail, part as left_at, part_index
from {rejects}
order by id, part_index
"""
"""Where each id left first."""

LOST = """
insert into known
select r.id, coalesce(r.detail, ''), null, null, false, null, null, 1000000 + r.part_index, null
from rejected as r
where
    not exists (select 1 from {solutions} as s where s.solution_id = r.id)
    and not exists (select 1 from known as k where k.problem_id = r.id)
    and not exists (select 1 from {generated} as g where g.request_key = r.id)
"""
"""Rejects that never became a problem: what is known of their text is what the reject says."""

DOCS = """
create or replace temp table docs as
select row_number() over (order by spot nulls last, part_index, problem_id)::integer - 1 as doc, *
from (select distinct on (problem_id) * from known order by problem_id, part_index < 0, part_index)
"""
"""Problems in the order of the release, then those that are not in it."""

ROWS = """
copy (
    select
        d.doc,
        r.* exclude (problem_id, votes, n_valid, is_seed, tokens, characters, split_no),
        {length} as length,
    from ({all_rows}) as r
    inner join docs as d on d.problem_id = r.problem_id
    order by d.doc, r.splits is null, r.stage, r.sample_index, r.solution_id
) to '{path}' (format parquet, compression zstd, row_group_size 20480)
"""

RELEASED_ROWS = "select *, 'released' as status, null::varchar as rule, null::varchar as left_at from kept"

STAGED_ROWS = """
select
    k.split_no,
    k.file,
    k.line,
    s.problem_id,
    s.solution_id,
    s.request_key,
    k.is_seed,
    s.stage,
    s.sample_index,
    coalesce(k.answer, a.answer) as answer,
    k.votes,
    k.n_valid,
    coalesce(k.tokens, s.completion_tokens) as tokens,
    k.characters,
    k.splits,
    case
        when k.splits is not null then 'released'
        when r.id is not null then 'rejected'
        else 'not released'
    end as status,
    r.rule,
    r.left_at,
from {solutions} as s
left join kept as k on k.solution_id = s.solution_id
left join rejected as r on r.id = s.solution_id
left join (select distinct on (solution_id) solution_id, answer from {answers} order by solution_id, part_index) as a
    on a.solution_id = s.solution_id
"""
"""Every sample of every problem, released or not."""

REJECTED_PROBLEMS = """
select
    null::smallint, null::smallint, null::integer,
    coalesce(g.problem_id, r.id) as problem_id,
    null::uuid,
    g.request_key,
    null::boolean,
    r.left_at,
    null::integer, null::varchar, null::integer, null::integer, null::integer, null::integer, null::bigint,
    'rejected',
    r.rule,
    r.left_at,
from rejected as r
left join (select distinct on (request_key) request_key, problem_id from {generated} order by request_key) as g
    on g.request_key = r.id
anti join {solutions} as s on s.solution_id = r.id
"""
"""Problems, or attempts at one, that left as a whole."""

PROBLEMS = """
copy (
    select
        d.doc, d.problem_id, d.problem, d.source, d.expected_answer, d.is_seed, d.votes, d.n_valid,
        coalesce(r.n_rows, 0)::integer as n_rows,
        coalesce(r.n_released, 0)::integer as n_released,
        r.rule,
    from docs as d
    left join (
        select
            doc,
            count(coalesce(solution_id::varchar, line::varchar)) as n_rows,
            count(splits) as n_released,
            min(rule) filter (where solution_id is null) as rule,
        from {rows}
        group by doc
    ) as r on r.doc = d.doc
    order by d.doc
) to '{path}' (format parquet, compression zstd, row_group_size 4096)
"""

WORDS = """
copy (
    select word, doc
    from (select doc, unnest(list_distinct({words})) as word from docs)
    order by word, doc
) to '{path}' (format parquet, compression zstd, row_group_size 61440)
"""
"""The inverted index. Sorted, so that a word is in one row group or in neighbouring ones."""

VOCABULARY = """
copy (select word, count(*)::integer as docs from {words} group by word order by word)
to '{path}' (format parquet, compression zstd, row_group_size 20480)
"""

IDS = """
copy (
    select distinct id, doc
    from (
        select problem_id as id, doc from docs
        union all
        select solution_id as id, doc from {rows}
        union all
        select request_key as id, doc from {rows}
    )
    where id is not null
    order by id, doc
) to '{path}' (format parquet, compression zstd, row_group_size 61440)
"""

BENCHMARKS = """
copy (
    select b.benchmark_id, b.problem, b.benchmark, b.row, max(n.similarity) as best, count(n.doc)::integer as near
    from {benchmarks} as b
    left join {nearest} as n on n.benchmark_id = b.benchmark_id
    group by all
    order by best desc nulls last, b.benchmark, b.row
) to '{path}' (format parquet, compression zstd, row_group_size 4096)
"""

NEAREST = """
copy (
    select n.benchmark_id, d.doc, max(n.similarity) as similarity
    from (
        select problem_id, unnest(benchmark_ids) as benchmark_id, unnest(similarities) as similarity from {neighbours}
    ) as n
    inner join docs as d on d.problem_id = n.problem_id
    group by all
    order by n.benchmark_id, similarity desc, d.doc
) to '{path}' (format parquet, compression zstd, row_group_size 20480)
"""
"""Neighbours the other way round: from a benchmark problem to the problems that have it among their nearest."""

FACETS = """
select
    (select list(distinct source order by source) from {problems}) as sources,
    (select list(distinct rule order by rule) from {rows}) as rules,
    (select count(*) from {problems}) as problems,
    (select count(*) from {rows}) as rows,
    (select count(splits) from {rows}) as released,
    (select max(length) from {rows}) as longest,
    (select max(votes) from {problems}) as votes,
"""

NOTHING_REJECTED = """
create temp table rejected as
select null::uuid as id, '' as rule, '' as detail, '' as left_at, 0 as part_index where false
"""
