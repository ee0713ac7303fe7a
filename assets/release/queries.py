"""The SQL of a release: joins of ids first, text last, once. No values are ever put into these texts.

A release of 14M rows sorts about 15 GB of text by rank; DuckDB spills what does not fit its memory limit. The narrow
table ``release_ids`` keeps everything else out of that sort.
"""

from __future__ import annotations

MEMBERS = """
create or replace temp table release_members as
select
    solution_id,
    min(k) as k,
    min(rank) as rank,
    bit_or(1::bigint << part_index) as mask,
from splits
group by solution_id
"""
"""Which solutions are released, and in which splits (bit i: the i-th declared split)."""

PROBLEMS = """
create or replace temp table release_problems as
select distinct on (problem_id) problem_id, problem, problem_source
from problems
order by problem_id, part_index
"""
"""The same problem in two parts is taken from the first declared one, as everywhere."""

VOTES = """
create or replace temp table release_votes as
select distinct on (problem_id) problem_id, votes, n_valid
from (
    select * from expected
    union all by name
    select null::integer as votes, null::integer as n_valid where false
)
order by problem_id, part_index
"""
"""Ground truth has no votes: its parts may lack the columns."""

SEED_ROOTS = """
create or replace temp table release_roots as
select distinct on (child_id)
    child_id as problem_id,
    null::uuid as parent_id,
    child_id as seed_problem_id,
    source as seed_source,
    source_row as seed_row,
    0 as depth,
from edges
where relation = 'seed'
order by child_id, part_index, source_row
"""
"""Seeds are roots even when a model wrote the same problem again: that is what keeps lineage free of cycles."""

NEXT_ROOTS = """
insert into release_roots
select distinct on (e.child_id)
    e.child_id,
    e.parent_id,
    r.seed_problem_id,
    r.seed_source,
    r.seed_row,
    $depth,
from edges as e
inner join release_roots as r on r.problem_id = e.parent_id and r.depth = $depth - 1
where
    e.relation <> 'seed'
    and not exists (select 1 from release_roots as known where known.problem_id = e.child_id)
order by e.child_id, e.part_index, e.request_key, e.parent_id
"""
"""One generation further from the seeds; of several parents the first declared, then the lowest request key."""

IDS = """
create or replace temp table release_ids as
select
    m.solution_id,
    m.k,
    m.rank,
    m.mask,
    s.problem_id,
    s.request_key,
    s.expected_answer,
    p.problem_source,
    t.start,
    t."end" as stop,
    t.rewritten,
from release_members as m
inner join solutions as s on s.solution_id = m.solution_id
inner join texts as t on t.solution_id = m.solution_id
inner join release_problems as p on p.problem_id = s.problem_id
"""

MISSING = """
select
    m.solution_id::varchar,
    case
        when s.solution_id is null then 'solutions'
        when t.solution_id is null then 'texts'
        when p.problem_id is null then 'problems'
        else 'completions'
    end,
from release_members as m
left join solutions as s on s.solution_id = m.solution_id
left join texts as t on t.solution_id = m.solution_id
left join release_problems as p on p.problem_id = s.problem_id
left join completions as c on c.request_key = s.request_key
where s.solution_id is null or t.solution_id is null or p.problem_id is null or c.request_key is null
order by m.rank
limit 1
"""
"""The first solution that cannot be released whole, and what lacks it. Asked only after a count has failed."""

COUNTS = """
select
    (select count(*) from release_members),
    (select count(*) from release_ids),
"""

SPLIT_ROWS = "select part_index, count(*) from splits group by part_index order by part_index"

DATA = """
select
    i.mask,
    p.problem,
    coalesce(i.rewritten, substring(c.text, i.start + 1, i.stop - i.start)) as generated_solution,
    i.expected_answer,
    i.problem_source,
from release_ids as i
inner join release_problems as p on p.problem_id = i.problem_id
inner join completions as c on c.request_key = i.request_key
order by i.rank, i.solution_id
"""
"""``substring`` counts code points, as the offsets do."""

PROVENANCE = """
select
    i.mask,
    i.solution_id::varchar as solution_id,
    i.problem_id::varchar as problem_id,
    r.parent_id::varchar as parent_id,
    r.seed_problem_id::varchar as seed_problem_id,
    r.seed_source,
    r.seed_row,
    i.k,
    i.rank,
    s.sample_index,
    v.votes,
    v.n_valid,
    s.answer,
    s.request_key::varchar as request_key,
    t.final_text_hash::varchar as text_hash,
    s.stage,
    l.role,
    l.model,
    l.weights,
    l.prompts,
    l.sampling,
    t.start,
    t."end",
    t.is_trimmed,
    t.is_rewritten,
    s.finish_reason,
    s.prompt_tokens,
    s.completion_tokens,
    t.tokens,
from release_ids as i
inner join solutions as s on s.solution_id = i.solution_id
inner join texts as t on t.solution_id = i.solution_id
left join release_roots as r on r.problem_id = i.problem_id
left join release_votes as v on v.problem_id = i.problem_id
left join release_stages as l on l.stage = s.stage
order by i.rank, i.solution_id
"""

COMPOSITION = """
select
    s.part,
    i.problem_source,
    count(distinct i.problem_id) as questions,
    count(*) as pairs,
from splits as s
inner join release_ids as i on i.solution_id = s.solution_id
group by s.part, s.part_index, i.problem_source
order by s.part_index, pairs desc, i.problem_source
"""

VOTE_SHARES = """
select
    least(10 * v.votes // v.n_valid, 9) as tenth,
    count(*) as problems,
from release_votes as v
where
    v.votes is not null
    and v.n_valid > 0
    and v.problem_id in (select problem_id from release_ids)
group by tenth
"""

LENGTHS = """
select
    length(bin(t.tokens)) - 1 as tokens,
    length(bin(coalesce(length(i.rewritten), i.stop - i.start))) - 1 as characters,
    count(*) as rows,
from release_ids as i
inner join texts as t on t.solution_id = i.solution_id
group by all
"""
"""Powers of two below, by the length of the binary digits, since logarithms round. ``tokens`` can be null."""
