/* mathloom
description: >
  Solutions that are still different after trims and rewrites: two texts of one problem can become the same. The one that
  was changed least stays (neither rewritten nor trimmed, then only trimmed), then the lowest id. Grain: solution_id.
law:
  filter: {input: checked, id: solution_id}
inputs:
  checked:
    description: Rows of selection/text_rules.
    columns:
      solution_id: uuid
      problem_id: uuid
      start: integer
      end: integer
      rewritten: varchar
      final_text_hash: uuid
      characters: integer
      tokens: integer
      is_trimmed: boolean
      is_rewritten: boolean
columns:
  solution_id: {type: uuid, description: The solution., tests: [not_null, unique]}
  problem_id: {type: uuid, description: The problem it answers., tests: [not_null]}
  start: {type: integer, description: First character of the text that stays., tests: [not_null]}
  end: {type: integer, description: Character after the last one that stays., tests: [not_null]}
  rewritten: {type: varchar, description: "The new text, where a rule changed more than its ends."}
  final_text_hash: {type: uuid, description: Hash of the text as it will be released., tests: [not_null]}
  characters: {type: integer, description: Its length in characters.}
  tokens: {type: integer, description: "Its length in tokens, where it was counted."}
  is_trimmed: {type: boolean, description: Whether its ends were cut.}
  is_rewritten: {type: boolean, description: Whether it has a new text.}
grain: [solution_id]
tests:
  - unique: [problem_id, final_text_hash]
histograms: [characters]
unit_tests:
  - name: the text that was changed least stays
    given:
      checked:
        - {solution_id: 1, problem_id: 1, final_text_hash: 9, is_trimmed: true, is_rewritten: true, rewritten: x}
        - {solution_id: 2, problem_id: 1, final_text_hash: 9, is_trimmed: true, is_rewritten: false, start: 4, end: 9}
        - {solution_id: 3, problem_id: 1, final_text_hash: 9, is_trimmed: false, is_rewritten: false, start: 0, end: 5}
        - {solution_id: 4, problem_id: 2, final_text_hash: 9, is_trimmed: true, is_rewritten: false, start: 1, end: 6}
    expect:
      - {solution_id: 1, kept: false, rule: duplicate after trim, detail: 00000000-0000-0000-0000-000000000003}
      - {solution_id: 2, kept: false, rule: duplicate after trim}
      - {solution_id: 3, kept: true, start: 0, end: 5, rewritten: null}
      - {solution_id: 4, kept: true, start: 1, end: 6, problem_id: 2}
  - name: ties go to the lowest id
    given:
      checked:
        - {solution_id: 8, problem_id: 1, final_text_hash: 9, is_trimmed: true, is_rewritten: false}
        - {solution_id: 7, problem_id: 1, final_text_hash: 9, is_trimmed: true, is_rewritten: false}
    expect:
      - {solution_id: 7, kept: true}
      - {solution_id: 8, kept: false, rule: duplicate after trim}
  - name: no solutions
    expect: []
*/
with copies as (
    select
        *,
        row_number() over copy_order as copy,
        first_value(solution_id) over copy_order as first_solution,
    from checked
    window copy_order as (
        partition by problem_id, final_text_hash
        order by is_rewritten, is_trimmed, solution_id
    )
)

select
    solution_id,
    problem_id,
    start,
    "end",
    rewritten,
    final_text_hash,
    characters,
    tokens,
    is_trimmed,
    is_rewritten,
    copy = 1 as kept,
    if(copy = 1, null, 'duplicate after trim') as rule,
    if(copy = 1, null, 'after trims and rewrites it has the text of another solution') as reason,
    if(copy = 1, null, first_solution::varchar) as detail,
from copies
