/* mathloom
description: >
  The answer that most solutions of a problem agree on. In the mode `semantic` solutions vote for keys (equal keys are
  equal answers; `clusters` says which others are) and the winner is shown in its most frequent spelling; in the mode
  `surface` they vote for spellings, as raw text. With `weights` the largest sum of them wins. Ties go to the earliest
  sample. Grain: problem_id; a problem without any answer, or whose winner has too few votes, is a reject. Hazard:
  solutions without an answer do not vote, yet they count in `members` and in min_share.
law:
  group: {input: answers, id: problem_id, members: members}
inputs:
  answers:
    description: One row a solution; answer and key are empty where the text holds none.
    columns:
      solution_id: uuid
      problem_id: uuid
      sample_index: integer
      answer: varchar
      answer_key: varchar
      answer_status: varchar
  clusters:
    optional: true
    description: Keys that count as another key of their problem.
    columns: {problem_id: uuid, answer_key: varchar, cluster_key: varchar}
  weights:
    optional: true
    description: A weight of each solution, such as a reward; from 0 to below 1e9, read to nine places. A solution without one weighs 0.
    columns: {solution_id: uuid, weight: double}
params:
  mode:
    type: varchar
    default: semantic
    choices: [semantic, surface]
    description: What a vote is for. semantic - the key; surface - the raw text.
  min_votes:
    type: integer
    default: 0
    at_least: 0
    description: Fewest votes of a winner.
  min_share:
    type: double
    default: 0.0
    at_least: 0
    at_most: 1
    description: Smallest share of a winner, among all solutions of the problem.
  planned_samples:
    type: integer
    default: 0
    at_least: 0
    description: Samples that each problem shall have in the end, for `is_decided`. 0 - those that it has.
  max_weight:
    type: double
    default: 1.0
    at_least: 0
    description: Most that a sample to come can weigh, for `is_decided`.
columns:
  problem_id: {type: uuid, description: The problem., tests: [not_null, unique]}
  expected_answer: {type: varchar, description: "The winner, in its most frequent spelling.", tests: [not_null]}
  expected_key: {type: varchar, description: The winner's canonical key., tests: [not_null]}
  votes: {type: integer, description: Solutions that voted for the winner.}
  n_valid: {type: integer, description: Solutions that voted.}
  margin: {type: integer, description: Votes of the winner less those of the second.}
  members: {type: bigint, description: All solutions of the problem.}
  weight: {type: double, description: Weight of the winner; its votes where nothing is weighed.}
  weight_margin: {type: double, description: Weight of the winner less that of the second.}
  clusters: {type: integer, description: Different answers.}
  is_decided:
    type: boolean
    description: Whether no outcome of the samples still to come can change the winner's key.
    tests: [not_null]
grain: [problem_id]
tests:
  - expression: 1 <= votes and votes <= n_valid and n_valid <= members
  - expression: margin <= votes
  - expression: 0 <= weight_margin and weight_margin <= weight
histograms: [votes, margin]
unit_tests:
  - name: keys vote, the most frequent spelling is shown
    given:
      answers:
        - {problem_id: 1, sample_index: 0, answer: "7", answer_key: k7}
        - {problem_id: 1, sample_index: 1, answer: "0.5", answer_key: k1/2}
        - {problem_id: 1, sample_index: 2, answer: 1/2, answer_key: k1/2}
        - {problem_id: 1, sample_index: 3, answer: 1/2, answer_key: k1/2}
        - {problem_id: 1, sample_index: 4}
    expect:
      - {problem_id: 1, expected_answer: 1/2, expected_key: k1/2, votes: 3, n_valid: 4, margin: 2, members: 5, kept: true}
  - name: the surface mode votes for spellings, so the same answers give another winner
    given:
      answers:
        - {problem_id: 1, sample_index: 0, answer: "7", answer_key: k7}
        - {problem_id: 1, sample_index: 1, answer: "0.5", answer_key: k1/2}
        - {problem_id: 1, sample_index: 2, answer: 1/2, answer_key: k1/2}
        - {problem_id: 1, sample_index: 3, answer: "7", answer_key: k7}
        - {problem_id: 1, sample_index: 4, answer: ".5", answer_key: k1/2}
    params: {mode: surface}
    expect:
      - {problem_id: 1, expected_answer: "7", expected_key: k7, votes: 2, n_valid: 5, margin: 1, members: 5, kept: true}
  - name: ties of answers and of spellings go to the earliest sample
    given:
      answers:
        - {problem_id: 1, sample_index: 3, answer: a, answer_key: a}
        - {problem_id: 1, sample_index: 1, answer: z2, answer_key: z}
        - {problem_id: 1, sample_index: 2, answer: z1, answer_key: z}
        - {problem_id: 1, sample_index: 4, answer: a, answer_key: a}
    expect:
      - {problem_id: 1, expected_answer: z2, expected_key: z, votes: 2, n_valid: 4, margin: 0, members: 4, kept: true}
  - name: no answer at all, and a single one
    given:
      answers:
        - {problem_id: 1, sample_index: 0}
        - {problem_id: 1, sample_index: 1}
        - {problem_id: 2, sample_index: 0, answer: x, answer_key: x}
    expect:
      - {problem_id: 1, kept: false, rule: no answer, expected_answer: null, votes: 0, n_valid: 0, margin: 0, members: 2}
      - {problem_id: 2, kept: true, votes: 1, n_valid: 1, margin: 1, members: 1}
  - name: too few votes
    given:
      answers:
        - {problem_id: 1, sample_index: 0, answer: x, answer_key: x}
        - {problem_id: 1, sample_index: 1, answer: "y", answer_key: "y"}
        - {problem_id: 2, sample_index: 0, answer: x, answer_key: x}
        - {problem_id: 2, sample_index: 1, answer: x, answer_key: x}
    params: {min_votes: 2}
    expect:
      - {problem_id: 1, kept: false, rule: low majority, detail: 1 of 2}
      - {problem_id: 2, kept: true, votes: 2}
  - name: too small a share of all solutions, the silent ones included
    given:
      answers:
        - {problem_id: 1, sample_index: 0, answer: x, answer_key: x}
        - {problem_id: 1, sample_index: 1}
        - {problem_id: 1, sample_index: 2}
        - {problem_id: 2, sample_index: 0, answer: x, answer_key: x}
        - {problem_id: 2, sample_index: 1}
    params: {min_share: 0.5}
    expect:
      - {problem_id: 1, kept: false, rule: low majority, detail: 1 of 3}
      - {problem_id: 2, kept: true, votes: 1, members: 2}
  - name: a share that is exactly reached
    given:
      answers:
        - {problem_id: 1, sample_index: 0, answer: x, answer_key: x}
        - {problem_id: 1, sample_index: 1, answer: x, answer_key: x}
        - {problem_id: 1, sample_index: 2, answer: x, answer_key: x}
        - {problem_id: 1, sample_index: 3, answer: x, answer_key: x}
        - {problem_id: 1, sample_index: 4, answer: x, answer_key: x}
        - {problem_id: 1, sample_index: 5, answer: x, answer_key: x}
        - {problem_id: 1, sample_index: 6, answer: x, answer_key: x}
        - {problem_id: 1, sample_index: 7}
        - {problem_id: 1, sample_index: 8}
        - {problem_id: 1, sample_index: 9}
        - {problem_id: 1, sample_index: 10}
        - {problem_id: 1, sample_index: 11}
        - {problem_id: 1, sample_index: 12}
        - {problem_id: 1, sample_index: 13}
        - {problem_id: 1, sample_index: 14}
        - {problem_id: 1, sample_index: 15}
        - {problem_id: 1, sample_index: 16}
        - {problem_id: 1, sample_index: 17}
        - {problem_id: 1, sample_index: 18}
        - {problem_id: 1, sample_index: 19}
        - {problem_id: 1, sample_index: 20}
        - {problem_id: 1, sample_index: 21}
        - {problem_id: 1, sample_index: 22}
        - {problem_id: 1, sample_index: 23}
        - {problem_id: 1, sample_index: 24}
    params: {min_share: 0.28}
    expect:
      - {problem_id: 1, kept: true, votes: 7, members: 25}
  - name: no answers
    expect: []
  - name: keys that joined another vote for it, and it is shown as it is spelled itself
    given:
      answers:
        - {problem_id: 1, sample_index: 0, answer: "7", answer_key: k7}
        - {problem_id: 1, sample_index: 1, answer: "7", answer_key: k7}
        - {problem_id: 1, sample_index: 2, answer: "0.3333", answer_key: d4}
        - {problem_id: 1, sample_index: 3, answer: "0.3333", answer_key: d4}
        - {problem_id: 1, sample_index: 4, answer: 1/3, answer_key: k1/3}
        - {problem_id: 2, sample_index: 0, answer: "0.3333", answer_key: d4}
      clusters:
        - {problem_id: 1, answer_key: d4, cluster_key: k1/3}
    expect:
      - {problem_id: 1, expected_answer: 1/3, expected_key: k1/3, votes: 3, margin: 1, clusters: 2, weight: 3.0}
      - {problem_id: 2, expected_answer: "0.3333", expected_key: d4, clusters: 1}
  - name: raw texts know no clusters
    given:
      answers:
        - {problem_id: 1, sample_index: 0, answer: "7", answer_key: k7}
        - {problem_id: 1, sample_index: 1, answer: "0.3333", answer_key: d4}
        - {problem_id: 1, sample_index: 2, answer: 1/3, answer_key: k1/3}
      clusters:
        - {problem_id: 1, answer_key: d4, cluster_key: k1/3}
    params: {mode: surface}
    expect:
      - {problem_id: 1, expected_answer: "7", expected_key: k7, votes: 1, margin: 0, clusters: 3}
  - name: the largest weight wins, with fewer votes too
    given:
      answers:
        - {problem_id: 1, solution_id: 10, sample_index: 0, answer: a, answer_key: a}
        - {problem_id: 1, solution_id: 11, sample_index: 1, answer: a, answer_key: a}
        - {problem_id: 1, solution_id: 12, sample_index: 2, answer: b, answer_key: b}
        - {problem_id: 1, solution_id: 13, sample_index: 3, answer: c, answer_key: c}
        - {problem_id: 2, solution_id: 20, sample_index: 0, answer: a, answer_key: a}
        - {problem_id: 2, solution_id: 21, sample_index: 1, answer: b, answer_key: b}
        - {problem_id: 2, solution_id: 22, sample_index: 2, answer: b, answer_key: b}
      weights:
        - {solution_id: 10, weight: 0.25}
        - {solution_id: 11, weight: 0.25}
        - {solution_id: 12, weight: 1.5}
        - {solution_id: 20, weight: 0.3}
        - {solution_id: 21, weight: 0.1}
        - {solution_id: 22, weight: 0.2}
    expect:
      - {problem_id: 1, expected_key: b, votes: 1, margin: -1, weight: 1.5, weight_margin: 1.0, clusters: 3}
      - {problem_id: 2, expected_key: a, votes: 1, margin: -1, weight: 0.3, weight_margin: 0.0}
  - name: a vote is decided when all the samples to come cannot turn it
    given:
      answers:
        - {problem_id: 1, sample_index: 0, answer: a, answer_key: a}
        - {problem_id: 1, sample_index: 1, answer: a, answer_key: a}
        - {problem_id: 1, sample_index: 2, answer: b, answer_key: b}
        - {problem_id: 2, sample_index: 0, answer: b, answer_key: b}
        - {problem_id: 2, sample_index: 1, answer: a, answer_key: a}
        - {problem_id: 2, sample_index: 2, answer: a, answer_key: a}
        - {problem_id: 3, sample_index: 0, answer: a, answer_key: a}
        - {problem_id: 3, sample_index: 1}
        - {problem_id: 3, sample_index: 2, answer: a, answer_key: a}
        - {problem_id: 4, sample_index: 0, answer: a, answer_key: a}
        - {problem_id: 4, sample_index: 1}
        - {problem_id: 5, sample_index: 0, answer: a, answer_key: a}
        - {problem_id: 5, sample_index: 1, answer: b, answer_key: b}
        - {problem_id: 5, sample_index: 2, answer: b, answer_key: b}
        - {problem_id: 5, sample_index: 3, answer: c, answer_key: c}
    params: {planned_samples: 4}
    expect:
      - {problem_id: 1, is_decided: true}
      - {problem_id: 2, is_decided: false}
      - {problem_id: 3, is_decided: true}
      - {problem_id: 4, is_decided: false}
      - {problem_id: 5, is_decided: true}
  - name: what a new sample can attach or release is on nobody's side
    given:
      answers:
        - {problem_id: 1, sample_index: 0, answer: a, answer_key: a, answer_status: decided}
        - {problem_id: 1, sample_index: 1, answer: a, answer_key: a, answer_status: decided}
        - {problem_id: 1, sample_index: 2, answer: a, answer_key: a, answer_status: decided}
        - {problem_id: 1, sample_index: 3, answer: b, answer_key: b, answer_status: undecided}
        - {problem_id: 1, sample_index: 4, answer: "0.1234", answer_key: c, answer_status: decided}
        - {problem_id: 2, sample_index: 0, answer: a, answer_key: a, answer_status: decided}
        - {problem_id: 2, sample_index: 1, answer: a, answer_key: a, answer_status: decided}
        - {problem_id: 2, sample_index: 2, answer: a, answer_key: a, answer_status: decided}
        - {problem_id: 2, sample_index: 3, answer: b, answer_key: b, answer_status: undecided}
        - {problem_id: 2, sample_index: 4, answer: c, answer_key: c, answer_status: decided}
        - {problem_id: 3, sample_index: 0, answer: b, answer_key: b, answer_status: undecided}
        - {problem_id: 3, sample_index: 1, answer: b, answer_key: b, answer_status: undecided}
        - {problem_id: 3, sample_index: 2, answer: b, answer_key: b, answer_status: undecided}
    params: {planned_samples: 6}
    expect:
      - {problem_id: 1, is_decided: true}
      - {problem_id: 2, is_decided: true}
      - {problem_id: 3, is_decided: false}
*/
with joined as (
    select
        problem_id,
        answer_key,
        min(cluster_key) as cluster_key,
    from clusters
    group by problem_id, answer_key
),

weighed as (
    select
        solution_id,
        max(weight) as weight,
    from weights
    group by solution_id
),

ballots as (
    select
        answers.problem_id,
        answers.sample_index,
        -- A vote needs both: the text is what is shown, the key is what solutions are graded by.
        if(answers.answer_key is null, null, answers.answer) as spelling,
        if(answers.answer is null, null, answers.answer_key) as own_key,
        case $mode
            when 'surface' then spelling
            else coalesce(joined.cluster_key, own_key)
        end as ballot,
        coalesce($mode = 'semantic' and own_key <> ballot, false) as is_joined,
        coalesce($mode = 'semantic' and answers.answer_status = 'undecided', false) as is_undecided,
        -- Decimals, because their sums do not depend on the order of rows.
        case
            when (select count(*) from weights) = 0 then 1
            when weighed.weight is null then 0
            -- Not a number (which is above all numbers here) is none either.
            when weighed.weight >= 0 and weighed.weight < 1e9 then weighed.weight
            else error('a weight is ' || weighed.weight || '; weights are from 0 to below 1,000,000,000')
        end::decimal(18, 9) as weight,
    from answers
    left join joined on joined.problem_id = answers.problem_id and joined.answer_key = answers.answer_key
    left join weighed on weighed.solution_id = answers.solution_id
),

spellings as (
    select
        problem_id,
        ballot,
        spelling,
        min(own_key) as spelling_key,
        bool_or(is_joined) as is_joined,
        -- A sample to come can attach it to another answer, or take it away from one.
        bool_or(is_undecided) or (
            $mode = 'semantic'
            and contains(spelling, '.')
            and length(regexp_replace(spelling, '[^0-9]', '', 'g')) >= 4
        ) as is_movable,
        count(*) as votes,
        sum(weight) as weight,
        min(sample_index) as first_sample,
    from ballots
    group by problem_id, ballot, spelling
),

keys as (
    select
        problem_id,
        if($mode = 'surface', spelling, spelling_key) as own,
        sum(weight) as weight,
        min(first_sample) as first_sample,
        bool_and(is_movable) as is_movable,
    from spellings
    where ballot is not null
    group by problem_id, own
),

standing as (
    select
        problem_id,
        min((-weight, first_sample, own), 2) filter (not is_movable) as fixed,
        coalesce(sum(weight) filter (is_movable), 0) as movable,
        min(first_sample) filter (is_movable) as first_movable,
    from keys
    group by problem_id
),

candidates as (
    select
        problem_id,
        ballot,
        sum(votes) as votes,
        sum(weight) as weight,
        min(first_sample) as first_sample,
        -- Its own spellings before those of what joined it.
        min((is_joined, -votes, first_sample, spelling, spelling_key)) as best,
    from spellings
    group by problem_id, ballot
),

counted as (
    select
        problem_id,
        min((-weight, first_sample, ballot, votes, best), 2) filter (ballot is not null) as top_two,
        coalesce(sum(votes) filter (ballot is not null), 0) as n_valid,
        count(ballot) as clusters,
        sum(votes) as members,
    from candidates
    group by problem_id
),

decided as (
    select
        counted.problem_id,
        top_two[1] as winner,
        top_two[2] as second,
        winner[5][4] as expected_answer,
        if($mode = 'surface', winner[5][5], winner[3]) as expected_key,
        coalesce(winner[4], 0)::integer as votes,
        n_valid::integer as n_valid,
        (coalesce(winner[4], 0) - coalesce(second[4], 0))::integer as margin,
        members::bigint as members,
        coalesce(-winner[1], 0)::double as weight,
        (coalesce(-winner[1], 0) - coalesce(-second[1], 0))::double as weight_margin,
        clusters::integer as clusters,
        greatest($planned_samples - members, 0) * $max_weight::decimal(18, 9) as to_come,
        -- The winner's own ballots, and the strongest of the others, real or new.
        coalesce(standing.fixed[1][3] = winner[3], false) as is_first,
        if(is_first, standing.fixed[1], standing.fixed[2]) as own,
        if(is_first, standing.fixed[2], standing.fixed[1]) as rival,
        coalesce(-rival[1], 0) + standing.movable + to_come as reachable,
        case
            when members >= $planned_samples then true
            when coalesce(own[3] <> winner[3], true) then false
            else
                reachable < -own[1]
                or (reachable = -own[1] and own[2] < coalesce(least(rival[2], standing.first_movable), 2147483647))
        end as is_decided,
        case
            when n_valid = 0 then 'no answer'
            -- A quotient, because it rounds like the setting was read: 7 of 25 is 0.28, but 0.28 * 25 is above 7.
            when winner[4] < $min_votes or winner[4]::double / members::double < $min_share then 'low majority'
        end as rule,
    from counted
    left join standing on standing.problem_id = counted.problem_id
)

select
    problem_id,
    expected_answer,
    expected_key,
    votes,
    n_valid,
    margin,
    members,
    weight,
    weight_margin,
    clusters,
    is_decided,
    rule is null as kept,
    rule,
    case rule
        when 'no answer' then 'no solution of this problem has an answer'
        when 'low majority' then 'too few solutions agree'
    end as reason,
    if(rule = 'low majority', votes || ' of ' || members, null) as detail,
from decided
