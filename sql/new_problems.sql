/* mathloom
description: >
  Generated problems that are new: not among the known ones, and each once. Of several requests that wrote the same text
  the first declared part keeps it, then the lowest request key. Grain: problem_id. Hazard: the law counts request_key,
  because one problem can be written many times.
law:
  filter: {input: generated, id: request_key}
inputs:
  generated:
    many: true
    description: Problems read out of completions.
    columns:
      problem_id: uuid
      problem: varchar
      expected_answer: varchar
      reference_solution: varchar
      problem_source: varchar
      level: varchar
      type: varchar
      parent_id: uuid
      request_key: uuid
  known:
    many: true
    description: Problems that are no news (the seeds).
    columns: {problem_id: uuid}
columns:
  problem_id: {type: uuid, description: Hash of the problem text., tests: [not_null, unique]}
  problem: {type: varchar, description: "The problem, as the model reads it.", tests: [not_null]}
  expected_answer: {type: varchar, description: Empty until a vote has decided.}
  reference_solution: {type: varchar, description: Empty.}
  problem_source: {type: varchar, description: augmented_ and the source of its parent., tests: [not_null]}
  level: {type: varchar, description: "Difficulty, where the kind that made it says one."}
  type: {type: varchar, description: "Subject, where the kind that made it says one."}
  parent_id: {type: uuid, description: The problem it was made from., tests: [not_null]}
  request_key: {type: uuid, description: The request whose completion holds it., tests: [not_null]}
grain: [problem_id]
order_by: [problem_id, request_key]
unit_tests:
  - name: known problems leave first, then copies
    given:
      known: [{problem_id: 1}, {problem_id: 1}]
      generated:
        - {part: a, problem_id: 1, problem: x, problem_source: augmented_math, parent_id: 7, request_key: 100}
        - {part: a, problem_id: 1, problem: x, problem_source: augmented_math, parent_id: 7, request_key: 101}
        - {part: a, problem_id: 2, problem: y, problem_source: augmented_math, parent_id: 7, request_key: 103}
        - {part: a, problem_id: 2, problem: y, problem_source: augmented_math, parent_id: 8, request_key: 102}
        - {part: b, problem_id: 2, problem: y, problem_source: augmented_gsm8k, parent_id: 9, request_key: 4}
    expect:
      - {problem_id: 1, request_key: 100, kept: false, rule: known problem}
      - {problem_id: 1, request_key: 101, kept: false, rule: known problem}
      - {problem_id: 2, request_key: 4, kept: false, rule: duplicate}
      - {problem_id: 2, request_key: 102, parent_id: 8, problem_source: augmented_math, kept: true, rule: null}
      - {problem_id: 2, request_key: 103, kept: false, rule: duplicate, detail: 00000000-0000-0000-0000-000000000066}
  - name: nothing known
    given:
      generated:
        - {part: a, problem_id: 5, problem: x, problem_source: augmented_math, parent_id: 7, request_key: 1}
    expect:
      - {problem_id: 5, problem: x, kept: true, rule: null, reason: null, detail: null}
  - name: nothing generated
    given:
      known: [{problem_id: 1}]
    expect: []
*/
with copies as (
    select
        *,
        problem_id in (select problem_id from known) as is_known,
        row_number() over copy_order as copy,
        first_value(request_key) over copy_order as first_request,
    from generated
    window copy_order as (partition by problem_id order by part_index, request_key)
),

judged as (
    select
        *,
        case
            when is_known then 'known problem'
            when copy > 1 then 'duplicate'
        end as rule,
    from copies
)

select
    problem_id,
    problem,
    expected_answer,
    reference_solution,
    problem_source,
    level,
    type,
    parent_id,
    request_key,
    rule is null as kept,
    rule,
    case rule
        when 'known problem' then 'the problem is among the known ones'
        when 'duplicate' then 'another request wrote the same problem'
    end as reason,
    if(rule = 'duplicate', first_request::varchar, null) as detail,
from judged
