"""The SQL of the report: what matched what, and how often. No value is ever put into these texts.

Everything is joined by ids inside DuckDB, which spills; text is joined for the problems that matched, and for no other.
"""

from __future__ import annotations

SIZES = (8, 10, 13, 30)
"""N-grams that are reported, in words: the sizes of :data:`assets.schemas.OVERLAP`."""

BOUNDS = (0.5, 0.6, 0.7, 0.8, 0.9)
"""Similarities above which benchmark problems with a neighbour are counted."""

BENCHMARK_PROBLEMS = "benchmark problems"
COMPARED = "problems compared"
REMOVED = "problems removed"
SHARE_WORDS = "problems that share words"
SEEDS = "seeds compared"
SEEDS_SHARE_WORDS = "seeds that share words"
NEAR_COMPARED = "benchmark problems with a neighbour among all"
NEAR_KEPT = "benchmark problems with a neighbour among the kept"
PAIRS = "nearest pairs"
CALIBRATION = "calibration pairs"
SOLUTIONS = "solutions of removed problems"

PREPARE = (
    """
    create or replace temp table report_places as
    select benchmark_id, benchmark, row, problem
    from benchmarks
    qualify row_number() over (partition by benchmark_id order by part_index, row) = 1
    """,
    # As sql/decontaminated_problems chooses it: a contaminated pair before any other, then the nearest.
    """
    create or replace temp table report_worst as
    select judged.problem_id, judged.benchmark_id, judged.verdict_forward, judged.verdict_backward, judged.verdict
    from judged
    left join neighbours on neighbours.problem_id = judged.problem_id
    where judged.verdict <> 'clean'
    qualify row_number() over (
        partition by judged.problem_id
        order by
            judged.verdict <> 'contaminated',
            coalesce(list_position(neighbours.benchmark_ids, judged.benchmark_id), 2147483647),
            judged.benchmark_id
    ) = 1
    """,
    """
    create or replace temp table report_removed as
    select
        removed.id as problem_id,
        removed.rule,
        compared.longest,
        compared.shared,
        case
            when removed.rule in ('exact match', 'n-gram') then compared.benchmark_id
            when removed.rule = 'similar' then neighbours.benchmark_ids[1]
            else worst.benchmark_id
        end as matched_id,
        neighbours.similarities[list_position(neighbours.benchmark_ids, matched_id)]::double as similarity,
        if(worst.benchmark_id = matched_id, worst.verdict_forward, null) as verdict_forward,
        if(worst.benchmark_id = matched_id, worst.verdict_backward, null) as verdict_backward,
    from removed
    left join "overlaps" as compared on compared.problem_id = removed.id
    left join neighbours on neighbours.problem_id = removed.id
    left join report_worst as worst on worst.problem_id = removed.id
    """,
    """
    create or replace temp table report_near as
    select
        problem_id,
        unnest(benchmark_ids) as benchmark_id,
        unnest(similarities)::double as similarity,
    from neighbours
    """,
    """
    create or replace temp table report_rows as
    select distinct benchmark, benchmark_id, min(part_index) over (partition by benchmark) as place from benchmarks
    """,
)
"""Temporary tables of ids; of texts only those of the benchmarks, each once."""

MATCHES = """
select
    'removed' as split,
    r.problem_id,
    p.problem,
    p.problem_source,
    r.rule,
    b.benchmark,
    b.row as benchmark_row,
    r.matched_id as benchmark_id,
    b.problem as benchmark_problem,
    coalesce(r.longest, 0) as longest,
    r.shared,
    r.similarity,
    r.verdict_forward,
    r.verdict_backward,
    coalesce(s.solutions, 0) as solutions,
from report_removed as r
inner join problems as p on p.problem_id = r.problem_id
left join report_places as b on b.benchmark_id = r.matched_id
left join (select problem_id, count(*) as solutions from solutions group by problem_id) as s
    on s.problem_id = r.problem_id
order by b.benchmark, b.row, r.problem_id
"""

SEED_MATCHES = """
select
    'seeds' as split,
    p.problem_id,
    p.problem,
    p.problem_source,
    if(o.is_exact, 'exact match', 'n-gram') as rule,
    b.benchmark,
    b.row as benchmark_row,
    o.benchmark_id,
    b.problem as benchmark_problem,
    o.longest,
    o.shared,
    null::double as similarity,
    null::varchar as verdict_forward,
    null::varchar as verdict_backward,
    0 as solutions,
from seed_overlaps as o
inner join seeds as p on p.problem_id = o.problem_id
left join report_places as b on b.benchmark_id = o.benchmark_id
where o.is_exact or o.longest > 0
order by b.benchmark, b.row, p.problem_id
"""

_ROWS = """
select $figure as figure, benchmark, null as problem_source, null as bound, null as outcome, count(*) as count,
    null::double as share
from report_rows group by benchmark, place order by place, benchmark
"""

_COMPARED = """
select $figure as figure, null as benchmark, problem_source, null as bound, null as outcome, count(*) as count,
    null::double as share
from {table} group by problem_source order by problem_source
"""

_REMOVED = """
select $figure as figure, b.benchmark, p.problem_source, null as bound, r.rule as outcome, count(*) as count,
    null::double as share
from report_removed as r
inner join problems as p on p.problem_id = r.problem_id
left join report_places as b on b.benchmark_id = r.matched_id
group by b.benchmark, p.problem_source, r.rule order by b.benchmark, p.problem_source, r.rule
"""

_WORDS = """
with sizes as (select unnest($sizes::integer[]) as size)
select $figure as figure, o.benchmark, p.problem_source, s.size::varchar as bound, null as outcome, count(*) as count,
    null::double as share
from {overlaps} as o
inner join {problems} as p on p.problem_id = o.problem_id
inner join sizes as s on s.size <= o.longest
group by o.benchmark, p.problem_source, s.size
union all by name
select $figure as figure, o.benchmark, p.problem_source, 'exact' as bound, null as outcome, count(*) as count,
    null::double as share
from {overlaps} as o
inner join {problems} as p on p.problem_id = o.problem_id
where o.is_exact group by o.benchmark, p.problem_source
order by benchmark, problem_source, try_cast(bound as integer) nulls last
"""

_NEAR = """
with bounds as (select unnest($bounds::double[]) as bound),
best as (
    select n.benchmark_id, max(n.similarity) as similarity
    from report_near as n
    where not ($is_kept and n.problem_id in (select problem_id from report_removed))
    group by n.benchmark_id
)
select $figure as figure, r.benchmark, null as problem_source, printf('%.1f', b.bound) as bound, null as outcome,
    count(*) filter (best.similarity > b.bound) as count,
    count(*) filter (best.similarity > b.bound) / count(*) as share
from report_rows as r
cross join bounds as b
left join best on best.benchmark_id = r.benchmark_id
where exists (select 1 from neighbours)
group by r.benchmark, r.place, b.bound order by r.place, r.benchmark, b.bound
"""

_PAIRS = """
select $figure as figure, null as benchmark, null as problem_source,
    printf('%.1f', greatest(least(round(n.similarity * 1000)::integer // 100, 9), 0) / 10) as bound,
    coalesce(j.verdict, 'not judged') as outcome, count(*) as count, null::double as share
from report_near as n
left join judged as j on j.problem_id = n.problem_id and j.benchmark_id = n.benchmark_id
group by bound, outcome order by bound desc, outcome
"""

_CALIBRATION = """
select $figure as figure, null as benchmark, null as problem_source, null as bound,
    case
        when is_right is null then 'no verdict'
        when is_right then 'right'
        when is_same then 'the same, and missed'
        else 'different, and taken for the same'
    end as outcome,
    count(*) as count, count(*) / sum(count(*)) over () as share
from calibration group by outcome order by outcome
"""

_SOLUTIONS = """
select $figure as figure, null as benchmark, null as problem_source, null as bound, null as outcome,
    count(*) as count, null::double as share
from solutions where problem_id in (select problem_id from report_removed)
"""

_NEW, _OF_SEEDS = {"overlaps": '"overlaps"', "problems": "problems"}, {"overlaps": "seed_overlaps", "problems": "seeds"}

FIGURES: tuple[tuple[str, str, dict[str, object]], ...] = (
    (BENCHMARK_PROBLEMS, _ROWS, {}),
    (COMPARED, _COMPARED.format(table="problems"), {}),
    (REMOVED, _REMOVED, {}),
    (SHARE_WORDS, _WORDS.format(**_NEW), {"sizes": list(SIZES)}),
    (SEEDS, _COMPARED.format(table="seeds"), {}),
    (SEEDS_SHARE_WORDS, _WORDS.format(**_OF_SEEDS), {"sizes": list(SIZES)}),
    (NEAR_COMPARED, _NEAR, {"bounds": list(BOUNDS), "is_kept": False}),
    (NEAR_KEPT, _NEAR, {"bounds": list(BOUNDS), "is_kept": True}),
    (PAIRS, _PAIRS, {}),
    (CALIBRATION, _CALIBRATION, {}),
    (SOLUTIONS, _SOLUTIONS, {}),
)
"""(name of the figure, its query, its parameters), in the order in which the report has them.

A neighbour of a benchmark problem is counted where the benchmark problem is among the nearest of that problem: the
shares are as deep as the lists of neighbours.
"""
