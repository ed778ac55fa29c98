-- Each row behind the ones before it: what of its window they covered, and its counters. Counters stand behind the
-- carry rows of the days read before: a step across midnight is a step like any other. A row that starts above everything
-- heard in its generation proves an unheard increase; one that starts below the last value proves nothing and adds nothing:
-- no increase, not a guess, and the low value never becomes the baseline. One that starts below and ends above told the
-- ground between a second time, and it is taken off (counter_sql.py).
WITH joined AS (
  SELECT gateway, device, life, CAST(NULL AS INTEGER) AS day, CAST(-9000000000000000 AS BIGINT) AS time_ms,
         CAST(-1 AS BIGINT) AS leaf, CAST(NULL AS BIGINT) AS ends_ms{carry_counters}
  FROM carry
  UNION ALL
  SELECT gateway, device, life, day, time_ms, leaf, ends_ms{row_counters}
  FROM lived WHERE NOT is_late
),
placed AS (
  SELECT *, row_number() OVER place AS place, max(ends_ms) OVER before AS ended_ms{placed_counters}
  FROM joined
  WINDOW place AS (PARTITION BY gateway, device, life ORDER BY time_ms, leaf),
         upto AS (PARTITION BY gateway, device, life ORDER BY time_ms, leaf
                  ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW),
         before AS (PARTITION BY gateway, device, life ORDER BY time_ms, leaf
                    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
)
SELECT *{peaked_counters}
FROM placed
WINDOW before AS (PARTITION BY gateway, device, life ORDER BY time_ms, leaf
                  ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
