/* mathloom
description: >
  Solutions whose answer is the expected one, each text of a problem once. Rules, in this order: `incorrect` (the reason
  says whether there is no answer, another one, or nothing to compare it with), then `duplicate` (the lowest sample index
  stays, then the lowest id). Grain: solution_id. Hazard: a solution, an expected answer or a key's cluster that comes in
  two parts counts once, the first declared part's.
law:
  filter: {input: solutions, id: solution_id}
inputs:
  solutions:
    many: true
    description: Every solution that was written.
    columns:
      solution_id: uuid
      problem_id: uuid
      request_key: uuid
      text_hash: uuid
      problem_source: varchar
      sample_index: integer
      finish_reason: varchar
      prompt_tokens: integer
      completion_tokens: integer
      stage: varchar
  answers:
    many: true
    description: The answer of each solution.
    columns: {solution_id: uuid, answer: varchar, answer_key: varchar, answer_status: varchar}
  expected:
    many: true
    description: "The right answer of each problem: ground truth, or a vote."
    columns: {problem_id: uuid, expected_answer: varchar, expected_key: varchar}
  clusters:
    many: true
    optional: true
    description: Keys that count as another key of their problem.
    columns: {problem_id: uuid, answer_key: varchar, cluster_key: varchar}
params:
  mode:
    type: varchar
    default: semantic
    choices: [semantic, surface]
    description: What is compared. semantic - the keys, by their clusters; surface - the raw texts.
columns:
  solution_id: {type: uuid, description: Hash of problem_id and request_key., tests: [not_null, unique]}
  problem_id: {type: uuid, description: The problem it answers., tests: [not_null]}
  request_key: {type: uuid, description: The request whose completion is its text., tests: [not_null]}
  text_hash: {type: uuid, description: Hash of the completion's text., tests: [not_null]}
  problem_source: {type: varchar, description: problem_source of its problem.}
  sample_index: {type: integer, description: "Which of the samples asked for, from 0."}
  finish_reason: {type: varchar, description: stop or length.}
  prompt_tokens: {type: integer, description: "Tokens of the prompt, as the engine counted them."}
  completion_tokens: {type: integer, description: "Tokens of the completion, as the engine counted them."}
  stage: {type: varchar, description: The stage that asked.}
  answer: {type: varchar, description: "Its own answer, as it is spelled.", tests: [not_null]}
  expected_answer: {type: varchar, description: "The right answer, as it is spelled.", tests: [not_null]}
grain: [solution_id]
tests:
  - unique: [problem_id, text_hash]
histograms: [completion_tokens]
unit_tests:
  - name: every reason for incorrect, and ties of copies
    given:
      solutions:
        - {part: a, solution_id: 10, problem_id: 1, request_key: 1, text_hash: 51, sample_index: 2, stage: a}
        - {part: a, solution_id: 11, problem_id: 1, request_key: 2, text_hash: 51, sample_index: 1, stage: a}
        - {part: a, solution_id: 12, problem_id: 1, request_key: 3, text_hash: 51, sample_index: 1, stage: a}
        - {part: a, solution_id: 13, problem_id: 1, request_key: 4, text_hash: 52, sample_index: 3}
        - {part: a, solution_id: 14, problem_id: 1, request_key: 5, text_hash: 53, sample_index: 4}
        - {part: b, solution_id: 15, problem_id: 2, request_key: 6, text_hash: 51, sample_index: 0}
        - {part: b, solution_id: 16, problem_id: 1, request_key: 7, text_hash: 54, sample_index: 5}
      answers:
        - {part: x, solution_id: 10, answer: "1/2", answer_key: h, answer_status: decided}
        - {part: x, solution_id: 11, answer: "0.5", answer_key: h, answer_status: decided}
        - {part: x, solution_id: 12, answer: "0.5", answer_key: h, answer_status: decided}
        - {part: x, solution_id: 13, answer: "3", answer_key: t, answer_status: decided}
        - {part: x, solution_id: 14, answer_status: no box}
        - {part: y, solution_id: 15, answer: "3", answer_key: t, answer_status: decided}
      expected:
        - {part: e, problem_id: 1, expected_answer: "1/2", expected_key: h}
    expect:
      - {solution_id: 10, kept: false, rule: duplicate, detail: 00000000-0000-0000-0000-00000000000b}
      - {solution_id: 11, kept: true, answer: "0.5", expected_answer: "1/2", sample_index: 1, stage: a, request_key: 2}
      - {solution_id: 12, kept: false, rule: duplicate}
      - {solution_id: 13, kept: false, rule: incorrect, reason: another answer, detail: "3"}
      - {solution_id: 14, kept: false, rule: incorrect, reason: no answer, detail: no box}
      - {solution_id: 15, kept: false, rule: incorrect, reason: the problem has no expected answer}
      - {solution_id: 16, kept: false, rule: incorrect, reason: no answer, detail: null}
  - name: the surface mode wants the same text
    given:
      solutions:
        - {part: a, solution_id: 10, problem_id: 1, text_hash: 51, sample_index: 0}
        - {part: a, solution_id: 11, problem_id: 1, text_hash: 52, sample_index: 1}
      answers:
        - {part: x, solution_id: 10, answer: "1/2", answer_key: h}
        - {part: x, solution_id: 11, answer: "0.5", answer_key: h}
      expected:
        - {part: e, problem_id: 1, expected_answer: "1/2", expected_key: h}
    params: {mode: surface}
    expect:
      - {solution_id: 10, kept: true}
      - {solution_id: 11, kept: false, rule: incorrect, reason: another answer, detail: "0.5"}
  - name: what comes in two parts is no product of both
    given:
      solutions:
        - {part: a, solution_id: 10, problem_id: 1, text_hash: 51, sample_index: 0, stage: a}
        - {part: b, solution_id: 10, problem_id: 1, text_hash: 51, sample_index: 0, stage: b}
      answers:
        - {part: x, solution_id: 10, answer: "1", answer_key: "1"}
        - {part: y, solution_id: 10, answer: "1", answer_key: "1"}
      expected:
        - {part: e, problem_id: 1, expected_answer: "1", expected_key: "1"}
        - {part: f, problem_id: 1, expected_answer: "2", expected_key: "2"}
    expect:
      - {solution_id: 10, kept: true, stage: a, expected_answer: "1"}
      - {solution_id: 10, kept: false, rule: duplicate, stage: b}
  - name: a key counts as its cluster, in its own problem only
    given:
      solutions:
        - {part: a, solution_id: 10, problem_id: 1, text_hash: 51, sample_index: 0}
        - {part: a, solution_id: 11, problem_id: 1, text_hash: 52, sample_index: 1}
        - {part: b, solution_id: 12, problem_id: 2, text_hash: 53, sample_index: 0}
        - {part: b, solution_id: 13, problem_id: 3, text_hash: 54, sample_index: 0}
      answers:
        - {part: x, solution_id: 10, answer: "0.3333", answer_key: d4}
        - {part: x, solution_id: 11, answer: "0.33", answer_key: d2}
        - {part: y, solution_id: 12, answer: "0.3333", answer_key: d4}
        - {part: y, solution_id: 13, answer: "5", answer_key: k5}
      expected:
        - {part: e, problem_id: 1, expected_answer: 1/3, expected_key: k1/3}
        - {part: e, problem_id: 2, expected_answer: 1/3, expected_key: k1/3}
        - {part: e, problem_id: 3, expected_answer: five, expected_key: raw}
      clusters:
        - {part: c, problem_id: 1, answer_key: d4, cluster_key: k1/3}
        - {part: d, problem_id: 1, answer_key: d4, cluster_key: other}
        - {part: d, problem_id: 3, answer_key: raw, cluster_key: k5}
    expect:
      - {solution_id: 10, kept: true, answer: "0.3333", expected_answer: 1/3}
      - {solution_id: 11, kept: false, rule: incorrect}
      - {solution_id: 12, kept: false, rule: incorrect, reason: another answer}
      - {solution_id: 13, kept: true, answer: "5", expected_answer: five}
  - name: no solutions
    given:
      expected:
        - {part: e, problem_id: 1, expected_answer: "1", expected_key: "1"}
    expect: []
*/
with one_answer as (
    select
        solution_id,
        min((part_index, answer, answer_key, answer_status)) as first,
    from answers
    group by solution_id
),

one_expected as (
    select
        problem_id,
        min((part_index, expected_answer, expected_key)) as first,
    from expected
    group by problem_id
),

one_cluster as (
    select
        problem_id,
        answer_key,
        min((part_index, cluster_key))[2] as cluster_key,
    from clusters
    group by problem_id, answer_key
),

compared as (
    select
        solutions.*,
        one_answer.first[2] as answer,
        one_answer.first[4] as answer_status,
        one_expected.first[2] as expected_answer,
        case $mode
            when 'surface' then answer = expected_answer
            else coalesce(own.cluster_key, one_answer.first[3]) = coalesce(known.cluster_key, one_expected.first[3])
        end as is_equal,
        coalesce(is_equal, false) as is_correct,
    from solutions
    left join one_answer on one_answer.solution_id = solutions.solution_id
    left join one_expected on one_expected.problem_id = solutions.problem_id
    left join one_cluster as own
        on own.problem_id = solutions.problem_id and own.answer_key = one_answer.first[3]
    -- An expected answer that says only how it is spelled may have joined a number.
    left join one_cluster as known
        on known.problem_id = solutions.problem_id and known.answer_key = one_expected.first[3]
),

judged as (
    select
        *,
        -- Copies are counted among the correct ones only: `incorrect` is the earlier rule.
        row_number() over copy_order as copy,
        first_value(solution_id) over copy_order as first_solution,
        case
            when not is_correct then 'incorrect'
            when copy > 1 then 'duplicate'
        end as rule,
    from compared
    window copy_order as (
        partition by problem_id, text_hash, is_correct
        order by sample_index, solution_id, part_index
    )
)

select
    solution_id,
    problem_id,
    request_key,
    text_hash,
    problem_source,
    sample_index,
    finish_reason,
    prompt_tokens,
    completion_tokens,
    stage,
    answer,
    expected_answer,
    rule is null as kept,
    rule,
    case
        when rule is null then null
        when rule = 'duplicate' then 'the same text was written before'
        when answer is null then 'no answer'
        when expected_answer is null then 'the problem has no expected answer'
        else 'another answer'
    end as reason,
    case
        when rule is null then null
        when rule = 'duplicate' then first_solution::varchar
        when answer is null then answer_status
        else answer
    end as detail,
from judged
