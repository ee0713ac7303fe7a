/* mathloom
description: >
  Every problem once. The part that the recipe declares first keeps it, so problem_source is the first source; the other
  copies are rejects. Grain: problem_id. Hazard: copies may differ in answer, level or type; only the first one's count,
  and the edges keep what each parent said.
law:
  filter: {input: problems, id: problem_id}
inputs:
  problems:
    many: true
    description: Seeds, one part a source.
    columns:
      problem_id: uuid
      problem: varchar
      expected_answer: varchar
      reference_solution: varchar
      problem_source: varchar
      level: varchar
      type: varchar
columns:
  problem_id: {type: uuid, description: Hash of the problem text., tests: [not_null, unique]}
  problem: {type: varchar, description: "The problem, as the model reads it.", tests: [not_null]}
  expected_answer: {type: varchar, description: Ground truth of the first source.}
  reference_solution: {type: varchar, description: The first source's own solution.}
  problem_source: {type: varchar, description: The first source by the declared order., tests: [not_null]}
  level: {type: varchar, description: "Difficulty, as written there."}
  type: {type: varchar, description: "Subject, as written there."}
grain: [problem_id]
unit_tests:
  - name: the first declared part wins, whatever its rows say
    given:
      problems:
        - {part: math, problem_id: 1, problem: a, problem_source: math, expected_answer: "2", level: 5}
        - {part: math, problem_id: 2, problem: b, problem_source: math}
        - {part: gsm8k, problem_id: 1, problem: a, problem_source: gsm8k, expected_answer: "1"}
    expect:
      - {problem_id: 1, problem_source: math, expected_answer: "2", level: "5", kept: true, rule: null}
      - {problem_id: 1, kept: false, rule: duplicate, detail: math}
      - {problem_id: 2, kept: true}
  - name: copies inside one part keep the same one in any order
    given:
      problems:
        - {part: math, problem_id: 1, problem: a, problem_source: math, expected_answer: "9"}
        - {part: math, problem_id: 1, problem: a, problem_source: math, expected_answer: "3"}
        - {part: math, problem_id: 1, problem: a, problem_source: math}
    expect:
      - {problem_id: 1, expected_answer: "3", kept: true}
      - {problem_id: 1, kept: false, rule: duplicate}
      - {problem_id: 1, kept: false, rule: duplicate}
  - name: no problems
    expect: []
*/
with copies as (
    select
        *,
        -- Copies that agree in all of this are equal: it does not matter which one stays.
        row_number() over (
            partition by problem_id
            order by part_index, problem_source, expected_answer, level, type, reference_solution, problem
        ) as copy,
        first_value(problem_source) over (
            partition by problem_id
            order by part_index, problem_source
        ) as first_source,
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
    copy = 1 as kept,
    if(copy = 1, null, 'duplicate') as rule,
    if(copy = 1, null, 'the same problem came before') as reason,
    if(copy = 1, null, first_source) as detail,
from copies
