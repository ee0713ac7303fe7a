/* mathloom
description: >
  The order of fair downsampling: every problem gives its first solution before any problem gives its second. Round k
  (from 0) holds at most one solution of each problem; within a problem solutions are ordered by a hash, and within a
  round problems are. A prefix of any length is therefore a fair sample, and prefixes are nested. Grain: solution_id.
law:
  map: {input: solutions, id: solution_id}
inputs:
  solutions:
    description: The solutions to put in order.
    columns: {solution_id: uuid, problem_id: uuid}
params:
  seed:
    type: bigint
    default: 0
    description: Another seed gives another order.
columns:
  solution_id: {type: uuid, description: The solution., tests: [not_null, unique]}
  problem_id: {type: uuid, description: The problem it answers., tests: [not_null]}
  k: {type: integer, description: "Round, from 0.", tests: [not_null]}
  rank: {type: bigint, description: "Place in the whole order, from 0.", tests: [not_null, unique]}
grain: [solution_id]
order_by: [rank]
tests:
  - unique: [problem_id, k]
histograms: [k]
unit_tests:
  - name: no problem gives its second solution before every problem gave its first
    given:
      solutions:
        - {solution_id: 1, problem_id: 101}
        - {solution_id: 2, problem_id: 101}
        - {solution_id: 3, problem_id: 101}
        - {solution_id: 4, problem_id: 102}
        - {solution_id: 5, problem_id: 103}
        - {solution_id: 6, problem_id: 103}
    expect:
      - {solution_id: 3, problem_id: 101, k: 0, rank: 0}
      - {solution_id: 6, problem_id: 103, k: 0, rank: 1}
      - {solution_id: 4, problem_id: 102, k: 0, rank: 2}
      - {solution_id: 1, problem_id: 101, k: 1, rank: 3}
      - {solution_id: 5, problem_id: 103, k: 1, rank: 4}
      - {solution_id: 2, problem_id: 101, k: 2, rank: 5}
  - name: one solution
    given:
      solutions: [{solution_id: 1, problem_id: 101}]
    expect: [{solution_id: 1, problem_id: 101, k: 0, rank: 0}]
  - name: no solutions
    expect: []
*/
with rounds as (
    select
        solution_id,
        problem_id,
        -- md5 keeps its value in every version of DuckDB; as a uuid it sorts like its text, in half the memory.
        md5($seed || ' problem ' || problem_id)::uuid as problem_hash,
        row_number() over (
            partition by problem_id
            order by md5($seed || ' solution ' || solution_id)::uuid, solution_id
        ) - 1 as k,
    from solutions
)

select
    solution_id,
    problem_id,
    k::integer as k,
    row_number() over (order by k, problem_hash, problem_id, solution_id) - 1 as rank,
from rounds
