"""The relational half of ``voting``: one statement a step, each over all problems at once.

Every table of these begins with ``vote_``, lives in the session, and knows a problem by its first row, written as
a UUID because that is what :mod:`assets.answers.clusters` reads. ``{...}`` are choices between fixed texts.
"""

from __future__ import annotations

MOVES = {"problem_id": "uuid", "answer_key": "varchar", "cluster_key": "varchar", "how": "varchar"}

PROBLEMS = """
create table vote_problems as
select
    problem,
    min(row) as first_row,
    lpad(hex(min(row)), 32, '0')::uuid as problem_id,
    count(*)::bigint as n,
from vote_rows
group by problem
"""

DISTINCT = "select distinct answer from vote_rows where answer is not null"
SURFACE_KEYS = """
create table vote_rows_keys as
select distinct answer, answer as answer_key, 'decided' as status from vote_rows where answer is not null
"""
UNDECIDED = "select count(*) from vote_rows_keys where status = 'undecided'"

# A sample is known by its row: earlier rows win ties.
ROW_ID = "lpad(hex(r.row), 32, '0')::uuid"
ANSWERS = """
create table answers as
select
    {solution_id} as solution_id,
    p.problem_id,
    r.row as sample_index,
    r.answer,
    k.answer_key,
    k.status as answer_status,
    r.weight,
from vote_rows as r
join vote_problems as p on r.problem is not distinct from p.problem
join vote_rows_keys as k on r.answer = k.answer
"""
WEIGHTS = "create view weights as select solution_id, weight from answers"

SPELLED = """
create table vote_spelled as
select
    problem_id, answer_key, answer,
    min(answer_status) = 'decided' as is_decided,
    count(*)::bigint as votes,
    -- Sums of decimals do not depend on their order, as sums of doubles do.
    sum(coalesce(weight, 1)::decimal(18, 9))::decimal(38, 9) as weight,
    min(sample_index) as first_sample,
from answers
group by problem_id, answer_key, answer
"""

ATTACHED = "select how, count(*) from vote_moves group by how order by how"

CLUSTERS = """
create table vote_clusters as
with members as (
    select s.*, coalesce(m.cluster_key, s.answer_key) as cluster_key
    from vote_spelled as s
    left join vote_moves as m using (problem_id, answer_key)
)

select
    problem_id,
    cluster_key,
    sum(votes)::bigint as votes,
    sum(weight)::decimal(38, 9) as weight,
    min(first_sample) as first_sample,
    -- Shown is a spelling of the key itself, never one of what was attached.
    min((-votes, first_sample, answer)) filter (answer_key = cluster_key) as best,
from members
group by problem_id, cluster_key
"""

# -- which problems no further sample can change (the inequality is in assets.answers.vote.Vote) ----------------------

LIKE_DECIMALS = """
select distinct answer
from vote_spelled
where starts_with(answer_key, 'q:') and regexp_matches(answer, '\\.[0-9]')
"""
BALLOTS = """
create table vote_ballots as
select
    s.problem_id,
    s.answer_key,
    sum(s.weight)::decimal(38, 9) as weight,
    min(s.first_sample) as first_sample,
    if(bool_and(s.is_decided), count(*) = count(d.answer), $undecided_move) as is_movable,
from vote_spelled as s
left join vote_decimals as d using (answer)
group by s.problem_id, s.answer_key
"""
DECIDED = """
create table vote_decided as
with winners as (
    select problem_id, min((-weight, first_sample, cluster_key))[3] as winner
    from vote_clusters
    group by problem_id
),

sides as (
    select
        b.problem_id,
        max((b.weight, -b.first_sample)) filter (not b.is_movable and b.answer_key = w.winner) as own,
        max((b.weight, -b.first_sample)) filter (not b.is_movable and b.answer_key != w.winner) as other,
        coalesce(sum(b.weight) filter (b.is_movable), 0) as movable,
        coalesce(max(-b.first_sample) filter (b.is_movable), -9223372036854775807) as earliest,
    from vote_ballots as b
    join winners as w using (problem_id)
    group by b.problem_id
)

select
    p.problem_id,
    p.n >= $planned
    or (
        s.own is not null
        and (
            coalesce(s.other[1], 0) + s.movable + ($planned - p.n) * $max_weight::decimal(18, 9),
            greatest(coalesce(s.other[2], -9223372036854775807), s.earliest)
        ) < (s.own[1], s.own[2])
    ) as is_decided,
from vote_problems as p
left join sides as s using (problem_id)
"""
UNASKED = "create table vote_decided (problem_id uuid, is_decided boolean)"

# -- what comes out ----------------------------------------------------------------------------------------------------

RESULTS = """
create table vote_results as
with counted as (
    select
        problem_id,
        min((-weight, first_sample, cluster_key, votes, best)) as winner,
        max(weight, 2) as top_two,
        sum(votes)::bigint as n_valid,
        count(*)::bigint as clusters,
    from vote_clusters
    group by problem_id
)

select
    p.first_row,
    p.problem as problem_id,
    c.winner[5][3] as winner,
    coalesce(c.winner[4], 0)::bigint as votes,
    coalesce(c.top_two[1], 0)::double as weight,
    coalesce(c.top_two[1] - coalesce(c.top_two[2], 0), 0)::double as margin,
    coalesce(c.n_valid, 0)::bigint as n_valid,
    coalesce(c.clusters, 0)::bigint as clusters,
    p.n,
    c.winner[3] as key,
    case
        when c.problem_id is null then 'no answer'
        -- A quotient, because it rounds like the setting was read: 7 of 25 is 0.28, but 0.28 * 25 is above 7.
        when c.winner[4] < $min_votes or c.winner[4]::double / p.n::double < $min_share then 'low majority'
    end as reason,
    reason is null as accepted,
    d.is_decided,
from vote_problems as p
left join counted as c using (problem_id)
left join vote_decided as d using (problem_id)
"""
TOTALS = """
select
    count(*), count_if(accepted), count_if(clusters = 1 and n_valid = n), count_if(is_decided)
from vote_results
"""
ID_SORTS = """
select bool_and(starts_with(problem_id, '"')), bool_and(regexp_full_match(problem_id, '-?[0-9]{1,18}'))
from vote_results
"""
IN_ORDER = "select * exclude (first_row) from vote_results order by first_row"
