/* mathloom
description: >
  A split: the first rows of an order. Splits of one order are nested, and a larger number than there are rows takes all
  of them. Grain: solution_id.
law:
  split: {input: ordered, id: solution_id, order: rank}
inputs:
  ordered:
    description: Rows with their place, from 0.
    columns: {solution_id: uuid, problem_id: uuid, k: integer, rank: bigint}
params:
  rows:
    type: bigint
    default: null
    at_least: 1
    description: Rows of the split; null is all.
columns:
  solution_id: {type: uuid, description: The solution., tests: [not_null, unique]}
  problem_id: {type: uuid, description: The problem it answers., tests: [not_null]}
  k: {type: integer, description: "Round of fair downsampling, from 0."}
  rank: {type: bigint, description: "Place in the order, from 0.", tests: [not_null, unique]}
grain: [solution_id]
order_by: [rank]
unit_tests:
  - name: a prefix
    given:
      ordered:
        - {solution_id: 9, problem_id: 1, k: 0, rank: 0}
        - {solution_id: 7, problem_id: 2, k: 0, rank: 1}
        - {solution_id: 8, problem_id: 1, k: 1, rank: 2}
    params: {rows: 2}
    expect:
      - {solution_id: 9, problem_id: 1, k: 0, rank: 0}
      - {solution_id: 7, problem_id: 2, k: 0, rank: 1}
  - name: as many as there are, more than there are, and all
    given:
      ordered:
        - {solution_id: 9, problem_id: 1, k: 0, rank: 0}
        - {solution_id: 7, problem_id: 2, k: 0, rank: 1}
    params: {rows: 3}
    expect:
      - {solution_id: 9}
      - {solution_id: 7}
  - name: no number takes all
    given:
      ordered:
        - {solution_id: 9, problem_id: 1, k: 0, rank: 0}
        - {solution_id: 7, problem_id: 2, k: 0, rank: 1}
    expect:
      - {solution_id: 9}
      - {solution_id: 7}
  - name: no rows
    params: {rows: 5}
    expect: []
*/
select
    solution_id,
    problem_id,
    k,
    rank,
from ordered
where $rows::bigint is null or rank < $rows::bigint
