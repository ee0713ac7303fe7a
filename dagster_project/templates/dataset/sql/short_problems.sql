/* mathloom
description: Problems of at most $max_words words. Longer ones become rejects.
law: {filter: {input: problems, id: problem_id}}
inputs:
  problems:
    description: Problems to choose from.
    columns:
      problem_id: UUID
      problem: VARCHAR
      expected_answer: VARCHAR
      reference_solution: VARCHAR
      problem_source: VARCHAR
      level: VARCHAR
      type: VARCHAR
params:
  max_words: {type: INTEGER, default: 60, at_least: 1, description: Most words a problem may have.}
columns:
  problem_id: {type: UUID, description: The problem., tests: [not_null, unique]}
  problem: {type: VARCHAR, description: Its text., tests: [not_null]}
  expected_answer: {type: VARCHAR, description: The seed's answer.}
  reference_solution: {type: VARCHAR, description: The seed's solution.}
  problem_source: {type: VARCHAR, description: Where it comes from.}
  level: {type: VARCHAR, description: Level of the source.}
  type: {type: VARCHAR, description: Subject of the source.}
grain: [problem_id]
unit_tests:
  - name: a long problem is rejected
    params: {max_words: 3}
    given:
      problems:
        - {problem_id: 00000000-0000-0000-0000-000000000001, problem: one two three, problem_source: a}
        - {problem_id: 00000000-0000-0000-0000-000000000002, problem: one two three four, problem_source: a}
    expect:
      - {problem_id: 00000000-0000-0000-0000-000000000001, kept: true}
      - {problem_id: 00000000-0000-0000-0000-000000000002, kept: false, rule: too many words}
*/
with counted as (
    select
        *,
        len(regexp_split_to_array(trim(problem), '\s+')) as words,
    from problems
)

select
    problem_id,
    problem,
    expected_answer,
    reference_solution,
    problem_source,
    level,
    type,
    words <= $max_words as kept,
    'too many words' as rule,
    'the problem is longer than max_words' as reason,
    words::varchar as detail,
from counted
