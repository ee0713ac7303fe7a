"""The relational half of :mod:`assets.answers.clusters`: one SELECT a step, each over all problems at once.

Every table of these begins with ``cl_`` and lives in the session. ``{...}`` are choices between fixed texts of this
module, never values.
"""

from __future__ import annotations

UNDECIDED = "raw:"
"""How keys begin that another key may equal (``assets.answers.key``)."""

SPELLED = """
create or replace table cl_spelled as
select
    a.problem_id, a.answer_key, a.answer,
    min(a.answer_status) = 'decided' as is_decided,
    count(*)::bigint as votes,
    {weight} as weight,
    min(a.sample_index) as first_sample,
    -- All that written_decimal accepts, and more.
    case
        when not starts_with(a.answer_key, 'q:') or not contains(a.answer, '.') then false
        else length(regexp_replace(a.answer, '[^0-9]', '', 'g')) >= 4
    end as looks_decimal,
    -- Its significant digits at least; where one is written with 4, half a unit of the last is 0.0005 of the number.
    if(looks_decimal, greatest(list_min(list_transform(
        regexp_extract_all(a.answer, '[0-9]*[.][0-9]+'),
        lambda run: length(ltrim(replace(run, '.', ''), '0'))
    )), 4), null) as digits,
from answers as a {join}
where a.answer is not null and a.answer_key is not null
group by a.problem_id, a.answer_key, a.answer
"""
UNWEIGHTED = {"weight": "count(*)::decimal(38, 9)", "join": ""}
WEIGHTED = {
    # As in sql/majority_answer. Sums of decimals do not depend on their order, as sums of doubles do.
    "weight": """
    sum(case
        when (select count(*) from weights) = 0 then 1
        when w.weight is null then 0
        when w.weight >= 0 and w.weight < 1e9 then w.weight
        else error('a weight is ' || w.weight || '; weights are from 0 to below 1,000,000,000')
    end::decimal(18, 9))""",
    "join": "left join (select solution_id, max(weight) as weight from weights group by 1) as w using (solution_id)",
}

KEYS = """
create or replace table cl_keys as
select
    problem_id, answer_key,
    bool_and(is_decided) as is_decided,
    sum(votes)::bigint as votes,
    sum(weight)::decimal(38, 9) as weight,
    min(first_sample) as first_sample,
    bool_and(looks_decimal) as looks_decimal,
    -- It must be a rounding in all its spellings, so the most exact one says how near a number must be.
    1.1 * power(10.0, 1 - least(coalesce(max(digits), 4), 12)) as nearness,
from cl_spelled
group by problem_id, answer_key
"""

# -- rounded decimals --------------------------------------------------------------------------------------------------

_VALUE = """
case
    when starts_with({key}, 'q:') then
        try_cast(split_part(substr({key}, 3), '/', 1) as double)
        / if(contains({key}, '/'), try_cast(split_part({key}, '/', 2) as double), 1.0)
    else try_cast(regexp_extract({key}, '^n:(-?[0-9.]+e-?[0-9]+)$', 1) as double)
end
"""
"""A key's number, about; null where it is not one of these."""

NEAR = f"""
create or replace table cl_near as
with numbers as (
    select problem_id, answer_key, looks_decimal, nearness, {_VALUE.format(key="answer_key")} as about
    from cl_keys
    where is_decided and (starts_with(answer_key, 'q:') or starts_with(answer_key, 'n:'))
),

exact as ({{exact}})

select k.problem_id, k.answer_key as decimal_key, e.exact_key, e.is_given,
from numbers as k
join exact as e on e.problem_id = k.problem_id and e.exact_key <> k.answer_key
where
    k.looks_decimal
    -- Twice as far as it can be, for the doubles' sake; what cannot be told is looked at.
    and coalesce(abs(k.about - e.about) <= k.nearness * greatest(abs(k.about), abs(e.about)), true)
"""  # noqa: S608
EXACT_OF_VOTES = "select problem_id, answer_key as exact_key, about, false as is_given from numbers"
EXACT_OF_GOLD = f"""
    select problem_id, expected_key as exact_key, {_VALUE.format(key="expected_key")} as about, true as is_given
    from known where starts_with(expected_key, 'q:') or starts_with(expected_key, 'n:')
"""  # noqa: S608

SPELLINGS_TO_READ = """
select distinct s.answer
from cl_spelled as s
semi join (
    select problem_id, decimal_key as answer_key from cl_near
    union all
    select problem_id, exact_key from cl_near where not is_given
) as n using (problem_id, answer_key)
where s.looks_decimal
"""

DECIMAL_KEYS = """
create or replace table cl_decimal_keys as
select s.problem_id, s.answer_key, list(distinct d.decimal) as decimals
from cl_spelled as s
semi join (
    select problem_id, decimal_key as answer_key from cl_near
    union all
    select problem_id, exact_key from cl_near where not is_given
) as n using (problem_id, answer_key)
left join cl_decimals as d using (answer)
group by s.problem_id, s.answer_key
-- Spelled in no other way: only then it can stand for another number, and only then it is not exact itself.
having count(*) = count(d.decimal)
"""

CANDIDATES = """
create or replace table cl_candidates as
select n.problem_id, n.decimal_key, n.exact_key, unnest(k.decimals) as decimal
from cl_near as n
join cl_decimal_keys as k on k.problem_id = n.problem_id and k.answer_key = n.decimal_key
anti join cl_decimal_keys as e on not n.is_given and e.problem_id = n.problem_id and e.answer_key = n.exact_key
"""
CASES = "select distinct exact_key, decimal from cl_candidates"

DECIMAL_MOVES = """
with fitting as (
    select c.problem_id, c.decimal_key, c.exact_key
    from cl_candidates as c
    join cl_rounds as r using (exact_key, decimal)
    group by c.problem_id, c.decimal_key, c.exact_key
    -- 0.3333 and 0.33330 are one key, and 1/3 rounds only to the first.
    having bool_and(r.fits)
)

insert into cl_moves by name
select problem_id, decimal_key as answer_key, min(exact_key) as cluster_key, 'decimal' as how
from fitting
group by problem_id, decimal_key
having count(*) = 1
"""

# -- symbolic step -----------------------------------------------------------------------------------------------------

GROUPS = f"""
create or replace table cl_groups as
with members as (
    select
        k.problem_id, coalesce(m.cluster_key, k.answer_key) as group_key,
        k.is_decided, k.votes, k.weight, k.first_sample, false as is_given
    from cl_keys as k
    left join cl_moves as m using (problem_id, answer_key)
    semi join ({{open}}) as o on o.problem_id = k.problem_id
    {{given}}
),

grouped as (
    select
        problem_id, group_key,
        not starts_with(group_key, '{UNDECIDED}') as is_decided,
        sum(votes) as votes,
        sum(weight) as weight,
        min(first_sample) as first_sample,
        bool_or(is_given) as is_given,
    from members
    group by problem_id, group_key
)

select
    *,
    row_number() over (
        partition by problem_id order by is_given desc, weight desc, first_sample, group_key
    )::integer as place,
from grouped
"""  # noqa: S608
OPEN_OF_VOTES = "select problem_id from cl_keys group by problem_id having count(*) > 1 and not bool_and(is_decided)"
OPEN_OF_GOLD = f"""
    select e.problem_id from known as e join cl_keys as k using (problem_id)
    group by e.problem_id having not bool_and(k.is_decided) or min(e.expected_key) like '{UNDECIDED}%'
"""  # noqa: S608
GIVEN = """
    union all
    select e.problem_id, e.expected_key, true, 0, 0, 2147483647, true
    from known as e semi join (select problem_id from cl_keys) using (problem_id)
"""

# Which pairs can matter. In one problem let w and f be the weight and the earliest sample of the leading group, which
# takes first; groups with decided keys take next, and of two such groups neither takes the other; undecided groups take
# last, and only each other. So a group can overtake the leader only with
#     every undecided group (but the leader).
# Let t be the weight of all these together and e their earliest sample. The group can overtake if
#     t > w  or  (t = w and e < f).
# A pair matters if one of the two leads or can overtake, and not both are decided. Pairs that are left out: whatever
# their verdicts, every group that could hold them stays behind the leader, so neither winner nor its members change.
#
# Thousands of undecided answers to one problem would make millions of pairs, far more than any budget compares: pairs
# with the leader all stand, of the others those between the first CONTEST places. The rest is unknown, and counted.
CONTEST = 32
"""496 pairs: some seconds of the symbolic step. Problems have rarely so many answers that could win."""

REACHED = """
create or replace table cl_reached as
with problems as (
    select
        problem_id,
        coalesce(sum(weight) filter (place > 1 and not is_decided), 0) as open_weight,
        min(first_sample) filter (place > 1 and not is_decided) as open_first,
        min((place, weight, first_sample)) as leader,
    from cl_groups
    group by problem_id
    having count(*) > 1 and not bool_and(is_decided)
)

select
    g.*,
    if(g.is_decided, g.weight, 0) + p.open_weight as together,
    -- Of an undecided group the earliest sample is among them.
    least(if(g.is_decided, g.first_sample, p.open_first), p.open_first) as earliest,
    g.place = 1 or (
        {contest} and (together > p.leader[2] or (together = p.leader[2] and earliest < p.leader[3]))
    ) as matters,
    bool_or(matters and g.place > 1) over (partition by g.problem_id) as is_contested,
from cl_groups as g
join problems as p using (problem_id)
"""

PAIRS = f"""
create or replace table cl_pairs as
select
    a.problem_id,
    a.place as place_a, b.place as place_b,
    a.group_key as key_a, b.group_key as key_b,
    a.is_decided as is_decided_a, b.is_decided as is_decided_b,
    -- Solutions whose fate hangs on it: of those that may join; of both, where the winner itself may change.
    b.votes + if(a.is_contested, a.votes, 0) as concerned,
-- Not one join with "or": the second half must never be looked at for all groups of a problem.
from (select * from cl_reached where place <= {CONTEST}) as a
join cl_reached as b on b.problem_id = a.problem_id
where
    b.place > a.place
    and (a.place = 1 or b.place <= {CONTEST})
    and (a.matters or b.matters)
    and not (a.is_decided and b.is_decided)
"""  # noqa: S608

QUESTIONS = """
create or replace table cl_questions as
with asked as (
    select least(key_a, key_b) as low, greatest(key_a, key_b) as high, sum(concerned)::bigint as concerned
    from cl_pairs group by 1, 2
),

wanted as (select low as answer_key from asked union select high from asked),

spellings as (
    select answer_key, min((length(answer), answer))[2] as answer
    from (
        select answer_key, answer from cl_spelled
        {given}
    )
    semi join wanted using (answer_key)
    group by answer_key
)

select q.*, l.answer as answer_low, h.answer as answer_high
from asked as q
join spellings as l on l.answer_key = q.low
join spellings as h on h.answer_key = q.high
"""
GIVEN_SPELLINGS = "union all select expected_key, expected_answer from known"
IN_ORDER = "select low, high, answer_low, answer_high from cl_questions order by concerned desc, low, high"

EQUAL_PAIRS = """
select p.problem_id, p.place_a, p.place_b, p.key_a, p.key_b, p.is_decided_a, p.is_decided_b
from cl_pairs as p
join cl_verdicts as v on v.low = least(p.key_a, p.key_b) and v.high = greatest(p.key_a, p.key_b)
where v.relation = 'equal'
order by p.problem_id, p.place_a, p.place_b
"""

# -- what comes out ----------------------------------------------------------------------------------------------------

MOVES = "select problem_id, answer_key, cluster_key, how from cl_moves order by problem_id, answer_key"

ROWS = """
with everyone as (
    select problem_id, count(*)::bigint as members, count(answer_key)::bigint as n_valid
    from answers group by problem_id
),

keys as (
    select problem_id, count(*)::integer as keys, count_if(not is_decided)::integer as undecided
    from cl_keys group by problem_id
),

spoken as (
    select problem_id, min((-weight, first_sample, answer, answer_key))[4] as answer_key
    from cl_spelled group by problem_id
),

clustered as (
    select
        k.problem_id, coalesce(m.cluster_key, k.answer_key) as cluster_key,
        sum(k.weight) as weight, min(k.first_sample) as first_sample,
    from cl_keys as k left join cl_moves as m using (problem_id, answer_key)
    group by 1, 2
),

counted as (
    select problem_id, count(*)::integer as clusters, min((-weight, first_sample, cluster_key))[3] as cluster_key
    from clustered group by problem_id
),

moved as (
    select problem_id, count_if(how = 'decimal')::integer as decimals, count_if(how = 'symbolic')::integer as symbolic
    from cl_moves group by problem_id
),

-- All pairs that matter, those too that were left out because there are so many: of all pairs without two decided
-- keys those without a group that matters are none.
mattering as (
    select
        problem_id,
        count_if(not is_decided) as u, count_if(is_decided) as d,
        count_if(not is_decided and not matters) as v, count_if(is_decided and not matters) as e,
        (u * (u - 1)) // 2 + u * d - (v * (v - 1)) // 2 - v * e as pairs,
    from cl_reached group by problem_id
),

answered as (
    select p.problem_id, count(*) as pairs
    from cl_pairs as p
    join cl_verdicts as v on v.low = least(p.key_a, p.key_b) and v.high = greatest(p.key_a, p.key_b)
    where v.relation <> 'unknown'
    group by p.problem_id
),

pairs as (
    select
        problem_id,
        least(m.pairs, 2147483647)::integer as pairs,
        least(m.pairs - coalesce(a.pairs, 0), 2147483647)::integer as unknown,
    from mattering as m left join answered as a using (problem_id)
)

select
    e.problem_id, e.members, e.n_valid,
    coalesce(k.keys, 0) as keys,
    coalesce(c.clusters, 0) as clusters,
    coalesce(k.undecided, 0) as undecided,
    coalesce(m.decimals, 0) as decimals,
    coalesce(m.symbolic, 0) as symbolic,
    coalesce(p.pairs, 0) as pairs,
    coalesce(p.unknown, 0) as unknown,
    coalesce(sm.cluster_key, s.answer_key) = c.cluster_key as surface_agrees,
from everyone as e
left join keys as k using (problem_id)
left join counted as c using (problem_id)
left join moved as m using (problem_id)
left join pairs as p using (problem_id)
left join spoken as s using (problem_id)
left join cl_moves as sm on sm.problem_id = s.problem_id and sm.answer_key = s.answer_key
order by e.problem_id
"""
