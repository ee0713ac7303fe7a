"""The relations that a vote over a file needs, over all problems at once; the vote itself is sql/majority_answer.

What :mod:`assets.answers.clusters` and that file read has UUIDs: a problem is known by its first row, a sample by its
row, both written as one. ``{...}`` are fixed texts of the product.
"""

from __future__ import annotations

MOVES = {"problem_id": "uuid", "answer_key": "varchar", "cluster_key": "varchar", "how": "varchar"}

PROBLEMS = """
create table vote_problems as
select problem, lpad(hex(min(row)), 32, '0')::uuid as problem_id
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
    coalesce(k.status, 'no answer') as answer_status,
    r.weight,
from vote_rows as r
join vote_problems as p on r.problem = p.problem
left join vote_rows_keys as k on r.answer = k.answer
"""
WEIGHTS = "create view weights as select solution_id, weight from answers where weight is not null"

ATTACHED = "select how, count(*) from clusters group by how order by how"

RESULTS = """
create table vote_results as
select
    p.problem_id as place,
    p.problem as problem_id,
    v.expected_answer as winner,
    v.votes::bigint as votes,
    if($is_weighted, v.weight_margin, v.margin) as margin,
    v.n_valid::bigint as n_valid,
    v.clusters::bigint as clusters,
    v.members as n,
    v.weight,
    v.expected_key as key,
    v.kept as accepted,
    v.rule as reason,
    v.is_decided,
from (
{votes}
) as v
join vote_problems as p on p.problem_id = v.problem_id
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
IN_ORDER = "select * exclude (place) from vote_results order by place"
