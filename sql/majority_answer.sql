/* mathloom
description: >
  The answer that most solutions of a problem agree on. In the mode `semantic` solutions vote for keys (equal keys are
  equal answers) and the winner is shown in its most frequent spelling; in the mode `surface` they vote for spellings, as
  raw text. Ties go to the earliest sample. Grain: problem_id; a problem without any answer, or whose winner has too few
  votes, is a reject. Hazard: solutions without an answer do not vote, yet they count in `members` and in min_share.
law:
  group: {input: answers, id: problem_id, members: members}
inputs:
  answers:
    description: One row a solution; answer and key are empty where the text holds none.
    columns:
      problem_id: uuid
      sample_index: integer
      answer: varchar
      answer_key: varchar
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
columns:
  problem_id: {type: uuid, description: The problem., tests: [not_null, unique]}
  expected_answer: {type: varchar, description: "The winner, in its most frequent spelling.", tests: [not_null]}
  expected_key: {type: varchar, description: The winner's canonical key., tests: [not_null]}
  votes: {type: integer, description: Solutions that voted for the winner.}
  n_valid: {type: integer, description: Solutions that voted.}
  margin: {type: integer, description: Votes of the winner less those of the second.}
  members: {type: bigint, description: All solutions of the problem.}
grain: [problem_id]
tests:
  - expression: 1 <= votes and votes <= n_valid and n_valid <= members
  - expression: 0 <= margin and margin <= votes
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
*/
with ballots as (
    select
        problem_id,
        sample_index,
        -- A vote needs both: the text is what is shown, the key is what solutions are graded by.
        if(answer_key is null, null, answer) as spelling,
        if(answer is null, null, answer_key) as spelling_key,
        case $mode
            when 'surface' then spelling
            else spelling_key
        end as ballot,
    from answers
),

spellings as (
    select
        problem_id,
        ballot,
        spelling,
        min(spelling_key) as spelling_key,
        count(*) as votes,
        min(sample_index) as first_sample,
    from ballots
    group by problem_id, ballot, spelling
),

candidates as (
    select
        problem_id,
        ballot,
        sum(votes) as votes,
        min(first_sample) as first_sample,
        min((-votes, first_sample, spelling, spelling_key)) as best,
    from spellings
    group by problem_id, ballot
),

counted as (
    select
        problem_id,
        min((-votes, first_sample, ballot, best)) filter (ballot is not null) as winner,
        coalesce(max(votes, 2) filter (ballot is not null), []) as top_two,
        coalesce(sum(votes) filter (ballot is not null), 0) as n_valid,
        sum(votes) as members,
    from candidates
    group by problem_id
),

decided as (
    select
        problem_id,
        winner[4][3] as expected_answer,
        winner[4][4] as expected_key,
        coalesce(top_two[1], 0)::integer as votes,
        n_valid::integer as n_valid,
        (coalesce(top_two[1], 0) - coalesce(top_two[2], 0))::integer as margin,
        members::bigint as members,
        case
            when n_valid = 0 then 'no answer'
            -- A quotient, because it rounds like the setting was read: 7 of 25 is 0.28, but 0.28 * 25 is above 7.
            when top_two[1] < $min_votes or top_two[1]::double / members::double < $min_share then 'low majority'
        end as rule,
    from counted
)

select
    problem_id,
    expected_answer,
    expected_key,
    votes,
    n_valid,
    margin,
    members,
    rule is null as kept,
    rule,
    case rule
        when 'no answer' then 'no solution of this problem has an answer'
        when 'low majority' then 'too few solutions agree'
    end as reason,
    if(rule = 'low majority', votes || ' of ' || members, null) as detail,
from decided
