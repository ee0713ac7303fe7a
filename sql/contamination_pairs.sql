/* mathloom
description: >
  Pairs of a problem and a benchmark problem that a judge shall read: the `most` nearest of each problem, at or above
  `min_similarity`. Problems that are a benchmark problem word for word need no judge. Grain: pair_id. Hazard: nothing
  below the bound is ever judged; the report says how many pairs that are, by similarity.
law:
  spread: {input: problems, id: problem_id}
inputs:
  problems:
    description: Problems that may be copies.
    columns: {problem_id: uuid, problem: varchar}
  benchmarks:
    many: true
    description: Benchmark problems.
    columns: {benchmark_id: uuid, problem: varchar}
  overlaps:
    description: What words each problem shares with benchmarks.
    columns: {problem_id: uuid, is_exact: boolean}
  neighbours:
    description: The benchmark problems nearest to each problem, best first.
    columns: {problem_id: uuid, benchmark_ids: "uuid[]", benchmarks: "varchar[]", similarities: "float[]"}
params:
  min_similarity:
    type: double
    default: 0.0
    at_least: -1
    at_most: 1
    description: Least cosine similarity of a pair that is judged. The scale is that of the embedder.
  most:
    type: integer
    default: 5
    at_least: 0
    description: Most pairs of one problem; 0 judges none.
columns:
  pair_id: {type: uuid, description: Hash of both ids., tests: [not_null, unique]}
  problem_id: {type: uuid, description: The problem., tests: [not_null]}
  benchmark_id: {type: uuid, description: The benchmark problem that it may be a copy of., tests: [not_null]}
  problem: {type: varchar, description: Text of the problem., tests: [not_null]}
  benchmark_problem: {type: varchar, description: Text of the benchmark problem., tests: [not_null]}
  benchmark: {type: varchar, description: The benchmark., tests: [not_null]}
  similarity: {type: float, description: "Their cosine similarity, -1 to 1.", tests: [not_null]}
grain: [pair_id]
tests:
  - unique: [problem_id, benchmark_id]
histograms: [similarity]
unit_tests:
  - name: exact matches skip the judge, near ones are paired, far ones are not
    given:
      problems:
        - {problem_id: 1, problem: one}
        - {problem_id: 2, problem: two}
        - {problem_id: 3, problem: three}
      benchmarks:
        - {part: a, benchmark_id: 11, problem: eleven}
        - {part: a, benchmark_id: 12, problem: twelve}
        - {part: b, benchmark_id: 13, problem: thirteen}
      overlaps:
        - {problem_id: 1, is_exact: true}
        - {problem_id: 2, is_exact: false}
        - {problem_id: 3, is_exact: false}
      neighbours:
        - {problem_id: 1, benchmark_ids: [11], benchmarks: [a], similarities: [1.0]}
        - {problem_id: 2, benchmark_ids: [12, 13, 11], benchmarks: [a, b, a], similarities: [0.9, 0.5, 0.4]}
        - {problem_id: 3, benchmark_ids: [11], benchmarks: [a], similarities: [0.2]}
    params: {min_similarity: 0.5}
    expect:
      - {problem_id: 2, benchmark_id: 12, problem: two, benchmark_problem: twelve, benchmark: a, kept: true}
      - {problem_id: 2, benchmark_id: 13, benchmark_problem: thirteen, benchmark: b, similarity: 0.5, kept: true}
      - {problem_id: 1, pair_id: null, kept: false, rule: exact match}
      - {problem_id: 3, kept: false, rule: not similar, detail: "0.200"}
  - name: the nearest so many, and a benchmark problem of two benchmarks once
    given:
      problems: [{problem_id: 2, problem: two}]
      benchmarks:
        - {part: a, benchmark_id: 11, problem: eleven}
        - {part: b, benchmark_id: 11, problem: eleven}
        - {part: b, benchmark_id: 12, problem: twelve}
        - {part: b, benchmark_id: 13, problem: thirteen}
      overlaps: [{problem_id: 2, is_exact: false}]
      neighbours:
        - problem_id: 2
          benchmark_ids: [11, 11, 12, 13]
          benchmarks: [b, a, b, b]
          similarities: [0.9, 0.9, 0.5, 0.5]
    params: {most: 2}
    expect:
      - {problem_id: 2, benchmark_id: 12, similarity: 0.5}
      - {problem_id: 2, benchmark_id: 11, benchmark: b, similarity: 0.9}
  - name: no pairs are wanted, and no neighbours
    given:
      problems: [{problem_id: 1, problem: one}, {problem_id: 2, problem: two}]
      benchmarks: [{part: a, benchmark_id: 11, problem: eleven}]
      overlaps: [{problem_id: 1, is_exact: false}, {problem_id: 2, is_exact: false}]
      neighbours:
        - {problem_id: 1, benchmark_ids: [11], benchmarks: [a], similarities: [0.9]}
        - {problem_id: 2, benchmark_ids: [], benchmarks: [], similarities: []}
    params: {most: 0}
    expect:
      - {problem_id: 1, kept: false, rule: not similar, detail: "0.900"}
      - {problem_id: 2, kept: false, rule: not similar, detail: null}
  - name: no problems
    expect: []
*/
with texts as (
    select
        benchmark_id,
        min(problem) as problem,
    from benchmarks
    group by benchmark_id
),

listed as (
    select
        problem_id,
        unnest(benchmark_ids) as benchmark_id,
        unnest(benchmarks) as benchmark,
        unnest(similarities) as similarity,
        generate_subscripts(benchmark_ids, 1) as place,
    from neighbours
),

-- A problem that two benchmarks have is one pair, under the name that stands first.
once as (
    select
        problem_id,
        benchmark_id,
        min((place, benchmark, similarity)) as first,
    from listed
    group by problem_id, benchmark_id
),

ranked as (
    select
        problem_id,
        benchmark_id,
        first[2] as benchmark,
        first[3] as similarity,
        row_number() over (partition by problem_id order by first[1]) as place,
    from once
),

near as (
    select
        ranked.problem_id,
        ranked.benchmark_id,
        ranked.benchmark,
        ranked.similarity,
        coalesce(texts.problem, error('no benchmark has the problem ' || ranked.benchmark_id)) as problem,
    from ranked
    left join texts on texts.benchmark_id = ranked.benchmark_id
    where ranked.place <= $most and ranked.similarity >= $min_similarity::float
),

best as (
    select
        problem_id,
        similarity,
    from ranked
    where place = 1
),

paired as (
    select
        problems.problem_id,
        problems.problem,
        near.benchmark_id,
        near.benchmark,
        near.similarity,
        near.problem as benchmark_problem,
        best.similarity as best_similarity,
        coalesce(compared.is_exact, false) as is_exact,
    from problems
    left join "overlaps" as compared on compared.problem_id = problems.problem_id
    left join near on near.problem_id = problems.problem_id and not coalesce(compared.is_exact, false)
    left join best on best.problem_id = problems.problem_id
)

select
    -- As a uuid, because the judge's answers are found by it; md5 keeps its value in every version of DuckDB.
    if(benchmark_id is null, null, md5(problem_id || ' ' || benchmark_id)::uuid) as pair_id,
    problem_id,
    benchmark_id,
    problem,
    benchmark_problem,
    benchmark,
    similarity,
    benchmark_id is not null as kept,
    case
        when kept then null
        when is_exact then 'exact match'
        else 'not similar'
    end as rule,
    case rule
        when 'exact match' then 'it needs no judge'
        when 'not similar' then 'no benchmark problem is near enough to be judged'
    end as reason,
    if(rule = 'not similar', format('{:.3f}', best_similarity), null) as detail,
from paired
