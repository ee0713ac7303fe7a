/* mathloom
description: >
  Problems without those that a benchmark has too. Rules, in this order: `exact match` (the same words), `n-gram` (a run
  of words in common), `similar` (above a cosine similarity, if that is set), `judged contaminated`, `no verdict` (the
  judge was asked and never said one). The detail names the benchmark's rows. Grain: problem_id. Hazard: what has no
  verdict counts as contaminated unless `fails_closed` is false. A problem that was never compared stops the stage.
law:
  filter: {input: problems, id: problem_id}
inputs:
  problems:
    description: Problems to be cleaned.
    columns:
      problem_id: uuid
      problem: varchar
      expected_answer: varchar
      reference_solution: varchar
      problem_source: varchar
      level: varchar
      type: varchar
  benchmarks:
    many: true
    description: Benchmark problems.
    columns: {benchmark_id: uuid, benchmark: varchar, row: bigint}
  overlaps:
    description: What words each problem shares with benchmarks.
    columns: {problem_id: uuid, is_exact: boolean, longest: integer, benchmark_id: uuid, shared: varchar}
  neighbours:
    optional: true
    description: The benchmark problems nearest to each problem, best first.
    columns: {problem_id: uuid, benchmark_ids: "uuid[]", similarities: "float[]"}
  judged:
    optional: true
    description: What a judge says of pairs of a problem and a benchmark problem.
    columns:
      problem_id: uuid
      benchmark_id: uuid
      verdict_forward: varchar
      verdict_backward: varchar
      verdict: varchar
params:
  ngram:
    type: integer
    default: 13
    choices: [8, 10, 13, 30]
    description: Words in a row that a problem may not share with a benchmark problem.
  max_similarity:
    type: double
    default: null
    at_least: -1
    at_most: 1
    description: Highest cosine similarity to a benchmark problem. null - similarity alone removes nothing.
  fails_closed:
    type: boolean
    default: true
    description: Whether a problem without a verdict is removed.
columns:
  problem_id: {type: uuid, description: Hash of the problem text., tests: [not_null, unique]}
  problem: {type: varchar, description: "The problem, as the model reads it.", tests: [not_null]}
  expected_answer: {type: varchar, description: Its answer where that is known.}
  reference_solution: {type: varchar, description: The source's own solution.}
  problem_source: {type: varchar, description: Where it comes from., tests: [not_null]}
  level: {type: varchar, description: Difficulty level.}
  type: {type: varchar, description: Subject.}
grain: [problem_id]
unit_tests:
  - name: each rule, in its order
    given:
      benchmarks:
        - {part: a, benchmark_id: 11, benchmark: test, row: 4}
        - {part: a, benchmark_id: 12, benchmark: test, row: 5}
        - {part: b, benchmark_id: 11, benchmark: olympiad, row: 0}
      problems:
        - {problem_id: 1, problem: exact, problem_source: new}
        - {problem_id: 2, problem: shares words, problem_source: new}
        - {problem_id: 3, problem: is near, problem_source: new}
        - {problem_id: 4, problem: is judged, problem_source: new}
        - {problem_id: 5, problem: has no verdict, problem_source: new}
        - {problem_id: 6, problem: is clean, problem_source: new, level: "3"}
      overlaps:
        - {problem_id: 1, is_exact: true, longest: 30, benchmark_id: 11, shared: all of it}
        - {problem_id: 2, is_exact: false, longest: 13, benchmark_id: 12, shared: some of it}
        - {problem_id: 3, is_exact: false, longest: 10, benchmark_id: 12, shared: some of it}
        - {problem_id: 4, is_exact: false, longest: 0}
        - {problem_id: 5, is_exact: false, longest: 0}
        - {problem_id: 6, is_exact: false, longest: 0}
      neighbours:
        - {problem_id: 1, benchmark_ids: [11], similarities: [1.0]}
        - {problem_id: 2, benchmark_ids: [12], similarities: [0.95]}
        - {problem_id: 3, benchmark_ids: [12, 11], similarities: [0.91, 0.2]}
        - {problem_id: 4, benchmark_ids: [12, 11], similarities: [0.9, 0.8]}
        - {problem_id: 5, benchmark_ids: [12, 11], similarities: [0.7, 0.7]}
        - {problem_id: 6, benchmark_ids: [12, 11], similarities: [0.6, 0.5]}
      judged:
        - {problem_id: 1, benchmark_id: 11, verdict: contaminated}
        - {problem_id: 2, benchmark_id: 12, verdict: contaminated}
        - {problem_id: 3, benchmark_id: 12, verdict: contaminated}
        - {problem_id: 4, benchmark_id: 12, verdict: no verdict}
        - {problem_id: 4, benchmark_id: 11, verdict_forward: "false", verdict_backward: "true", verdict: contaminated}
        - {problem_id: 5, benchmark_id: 12, verdict_forward: none, verdict_backward: "false", verdict: no verdict}
        - {problem_id: 5, benchmark_id: 11, verdict: clean}
        - {problem_id: 6, benchmark_id: 12, verdict: clean}
    params: {max_similarity: 0.9}
    expect:
      - {problem_id: 1, kept: false, rule: exact match, detail: "test row 4, olympiad row 0"}
      - {problem_id: 2, kept: false, rule: n-gram, detail: "test row 5, 13 words and more: some of it"}
      - {problem_id: 3, kept: false, rule: similar, detail: "test row 5, similarity 0.910"}
      - {problem_id: 4, kept: false, rule: judged contaminated, detail: "test row 4, olympiad row 0, said false and true"}
      - {problem_id: 5, kept: false, rule: no verdict, detail: "test row 5, said none and false"}
      - {problem_id: 6, kept: true, rule: null, level: "3", problem: is clean}
  - name: without neighbours and a judge only words decide
    given:
      benchmarks: [{part: a, benchmark_id: 11, benchmark: test, row: 4}]
      problems:
        - {problem_id: 1, problem: shares 13, problem_source: new}
        - {problem_id: 2, problem: shares 10, problem_source: new}
      overlaps:
        - {problem_id: 1, is_exact: false, longest: 13, benchmark_id: 11, shared: x}
        - {problem_id: 2, is_exact: false, longest: 10, benchmark_id: 11, shared: x}
    params: {max_similarity: 0.1}
    expect:
      - {problem_id: 1, kept: false, rule: n-gram}
      - {problem_id: 2, kept: true}
  - name: similarity alone removes nothing unless a bound is set, and the size of n-grams can be another
    given:
      benchmarks: [{part: a, benchmark_id: 11, benchmark: test, row: 4}]
      problems:
        - {problem_id: 1, problem: near, problem_source: new}
        - {problem_id: 2, problem: shares 13, problem_source: new}
        - {problem_id: 3, problem: shares 30, problem_source: new}
      overlaps:
        - {problem_id: 1, is_exact: false, longest: 0}
        - {problem_id: 2, is_exact: false, longest: 13, benchmark_id: 11, shared: x}
        - {problem_id: 3, is_exact: false, longest: 30, benchmark_id: 11, shared: x}
      neighbours: [{problem_id: 1, benchmark_ids: [11], similarities: [1.0]}]
    params: {ngram: 30}
    expect:
      - {problem_id: 1, kept: true}
      - {problem_id: 2, kept: true}
      - {problem_id: 3, kept: false, rule: n-gram, detail: "test row 4, 30 words and more: x"}
  - name: the bound itself is allowed
    given:
      benchmarks: [{part: a, benchmark_id: 11, benchmark: test, row: 4}]
      problems: [{problem_id: 1, problem: near, problem_source: new}, {problem_id: 2, problem: far, problem_source: new}]
      overlaps: [{problem_id: 1, is_exact: false, longest: 0}, {problem_id: 2, is_exact: false, longest: 0}]
      neighbours:
        - {problem_id: 1, benchmark_ids: [11], similarities: [0.8]}
        - {problem_id: 2, benchmark_ids: [], similarities: []}
    params: {max_similarity: 0.8}
    expect:
      - {problem_id: 1, kept: true}
      - {problem_id: 2, kept: true}
  - name: failing open keeps what has no verdict
    given:
      benchmarks: [{part: a, benchmark_id: 11, benchmark: test, row: 4}]
      problems: [{problem_id: 1, problem: x, problem_source: new}, {problem_id: 2, problem: y, problem_source: new}]
      overlaps: [{problem_id: 1, is_exact: false, longest: 0}, {problem_id: 2, is_exact: false, longest: 0}]
      judged:
        - {problem_id: 1, benchmark_id: 11, verdict: no verdict}
        - {problem_id: 2, benchmark_id: 11, verdict: contaminated}
    params: {fails_closed: false}
    expect:
      - {problem_id: 1, kept: true}
      - {problem_id: 2, kept: false, rule: judged contaminated}
  - name: of several pairs the nearest is named, then the lowest id
    given:
      benchmarks:
        - {part: a, benchmark_id: 11, benchmark: test, row: 4}
        - {part: a, benchmark_id: 12, benchmark: test, row: 5}
        - {part: a, benchmark_id: 13, benchmark: test, row: 6}
      problems: [{problem_id: 1, problem: x, problem_source: new}, {problem_id: 2, problem: y, problem_source: new}]
      overlaps: [{problem_id: 1, is_exact: false, longest: 0}, {problem_id: 2, is_exact: false, longest: 0}]
      neighbours: [{problem_id: 1, benchmark_ids: [13, 12, 11], similarities: [0.5, 0.5, 0.4]}]
      judged:
        - {problem_id: 1, benchmark_id: 11, verdict_forward: "true", verdict_backward: "true", verdict: contaminated}
        - {problem_id: 1, benchmark_id: 12, verdict_forward: "true", verdict_backward: "true", verdict: contaminated}
        - {problem_id: 2, benchmark_id: 13, verdict_forward: "true", verdict_backward: none, verdict: contaminated}
        - {problem_id: 2, benchmark_id: 12, verdict_forward: "true", verdict_backward: none, verdict: contaminated}
    expect:
      - {problem_id: 1, kept: false, detail: "test row 5, said true and true"}
      - {problem_id: 2, kept: false, detail: "test row 5, said true and none"}
  - name: no problems
    expect: []
*/
with named as (
    select
        benchmark_id,
        string_agg(benchmark || ' row ' || row, ', ' order by part_index, row) as name,
    from benchmarks
    group by benchmark_id
),

-- 0 before 1: one contaminated pair outweighs any that has no verdict.
counted as (
    select
        judged.problem_id,
        min((
            if(judged.verdict = 'contaminated', 0, 1),
            coalesce(list_position(neighbours.benchmark_ids, judged.benchmark_id), 2147483647),
            judged.benchmark_id,
            coalesce(judged.verdict_forward, '?') || ' and ' || coalesce(judged.verdict_backward, '?')
        )) as worst,
    from judged
    left join neighbours on neighbours.problem_id = judged.problem_id
    where judged.verdict <> 'clean'
    group by judged.problem_id
),

decided as (
    select
        problems.*,
        compared.longest,
        compared.shared,
        neighbours.similarities[1] as similarity,
        counted.worst[4] as said,
        compared.benchmark_id as id_by_words,
        neighbours.benchmark_ids[1] as id_by_similarity,
        counted.worst[3] as id_by_verdict,
        case
            when compared.problem_id is null then error('the problem ' || problems.problem_id || ' was not compared')
            when compared.is_exact then 'exact match'
            when compared.longest >= $ngram then 'n-gram'
            when neighbours.similarities[1] > $max_similarity::float then 'similar'
            when counted.worst[1] = 0 then 'judged contaminated'
            when counted.worst[1] = 1 and $fails_closed then 'no verdict'
        end as rule,
    from problems
    left join "overlaps" as compared on compared.problem_id = problems.problem_id
    left join neighbours on neighbours.problem_id = problems.problem_id
    left join counted on counted.problem_id = problems.problem_id
),

matched as (
    select
        *,
        case
            when rule is null then null
            when rule in ('exact match', 'n-gram') then id_by_words
            when rule = 'similar' then id_by_similarity
            else id_by_verdict
        end as benchmark_id,
    from decided
)

select
    matched.problem_id,
    matched.problem,
    matched.expected_answer,
    matched.reference_solution,
    matched.problem_source,
    matched.level,
    matched.type,
    matched.rule is null as kept,
    matched.rule,
    case matched.rule
        when 'exact match' then 'a benchmark problem has the same words'
        when 'n-gram' then 'it shares too many words in a row with a benchmark problem'
        when 'similar' then 'it is too similar to a benchmark problem'
        when 'judged contaminated' then 'a judge takes it for a benchmark problem'
        when 'no verdict' then 'a judge was asked and gave no verdict'
    end as reason,
    if(matched.rule is null, null, coalesce(named.name, 'benchmark problem ' || matched.benchmark_id))
    || case matched.rule
        when 'exact match' then ''
        when 'n-gram' then ', ' || matched.longest || ' words and more: ' || coalesce(matched.shared, '')
        when 'similar' then ', similarity ' || format('{:.3f}', matched.similarity)
        else ', said ' || matched.said
    end as detail,
from matched
left join named on named.benchmark_id = matched.benchmark_id
