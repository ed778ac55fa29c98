-- Some days of machine rows into lives, with each row's pattern: what it counted and measured, the clock left out.
CREATE OR REPLACE TEMP TABLE lived AS
SELECT {kept},
       coalesce(l.life, 1) AS life, coalesce(h.late, false) AS is_late,
       coalesce(h.running_ms, 0) > 0 OR {any_metric} AS is_alive,
       {pattern} AS pattern_row
FROM ({heard}) h
LEFT JOIN life l ON l.gateway = h.gateway AND l.device = h.device AND h.time_ms >= l.from_ms AND h.time_ms < l.until_ms
-- Nothing a gateway sends is trusted: a window longer than a day, or more time in a state than the window has, is no row.
WHERE coalesce(h.window_ms, 0) BETWEEN 0 AND 86400000 AND {possible};

INSERT INTO profile_seen SELECT DISTINCT profile FROM lived;

-- Counters in long form behind the carry rows of the days read before: a step across midnight is a step like any other.
CREATE OR REPLACE TEMP TABLE placed AS
WITH counted AS (
  SELECT gateway, device, life, 0 AS day, counter, CAST(-9000000000000000 AS BIGINT) AS time_ms, CAST(-1 AS BIGINT) AS leaf,
         CAST(NULL AS BIGINT) AS c_from, raw AS c_raw, peak, CAST(0 AS BIGINT) AS inc, CAST(NULL AS BIGINT) AS step_max,
         CAST(NULL AS BIGINT) AS step_ms, CAST(0 AS BIGINT) AS resets, CAST(0 AS BIGINT) AS rollovers,
         CAST(0 AS BIGINT) AS unexplained, true AS is_carry
  FROM carry
  {counters}
),
generations AS (
  SELECT *, sum(resets + rollovers) OVER (
      PARTITION BY gateway, device, life, counter ORDER BY time_ms, leaf ROWS UNBOUNDED PRECEDING) AS generation
  FROM counted
)
SELECT *, max(peak) OVER (
    PARTITION BY gateway, device, life, counter, generation ORDER BY time_ms, leaf ROWS UNBOUNDED PRECEDING) AS peak_after
FROM generations;

-- A row that starts above everything heard in this generation proves an unheard increase; one that starts below the last
-- value proves nothing and adds nothing: no increase, not a guess, and the low value never becomes the baseline.
CREATE OR REPLACE TEMP TABLE counter_day AS
WITH stepped AS (
  SELECT *, c_from - lag(peak_after) OVER place AS over_peak, c_from < lag(c_raw) OVER place AS is_fall
  FROM placed
  WINDOW place AS (PARTITION BY gateway, device, life, counter ORDER BY time_ms, leaf)
)
SELECT day, gateway, device, life, counter,
       CAST(sum(inc) AS BIGINT) AS inc,
       arg_min(c_from, (time_ms, leaf)) AS first, arg_max(c_raw, (time_ms, leaf)) AS last,
       CAST(coalesce(max(CASE WHEN step_ms > 0 THEN step_max * 1000000 // step_ms END), 0) AS BIGINT) AS rate_max_milli,
       CAST(sum(resets) AS BIGINT) AS resets, CAST(sum(rollovers) AS BIGINT) AS rollovers,
       CAST(sum(unexplained) + count(*) FILTER (WHERE is_fall) AS BIGINT) AS unexplained,
       CAST(coalesce(sum(greatest(over_peak, 0)), 0) AS BIGINT) AS unheard_inc
FROM stepped
WHERE NOT is_carry
GROUP BY day, gateway, device, life, counter;

CREATE OR REPLACE TEMP TABLE carry_next AS
SELECT gateway, device, life, counter, arg_max(c_raw, (time_ms, leaf)) AS raw, arg_max(peak_after, (time_ms, leaf)) AS peak
FROM placed
GROUP BY gateway, device, life, counter;
CREATE OR REPLACE TEMP TABLE carry AS SELECT * FROM carry_next;

-- On-time rows tile the day; late ones add known time to the same windows, and none of their own.
CREATE OR REPLACE TEMP TABLE tiled AS
SELECT day, gateway, device, life, time_ms, window_ms, is_late, is_alive, pattern_row, leaf, received_ms, grade,
       running_ms, ready_ms, paused_ms, fault_ms, off_ms, unknown_ms,
       readings, bad, polls_due, polls_ok, starts, changes, boots,
       CASE WHEN is_late THEN 0 ELSE greatest(0, least(time_ms + window_ms, coalesce(
         max(CASE WHEN NOT is_late THEN time_ms + window_ms END) OVER (
           PARTITION BY day, gateway, device ORDER BY time_ms, leaf ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING),
         time_ms)) - time_ms) END AS overlap_ms
FROM lived;

SELECT day, gateway, device, life, count(*) AS rows,
       {sums},
       CAST(coalesce(sum(window_ms) FILTER (WHERE NOT is_late), 0) AS BIGINT),
       {states},
       CAST(greatest(0, coalesce(sum(unknown_ms) FILTER (WHERE NOT is_late), 0)
         - coalesce(sum({known}) FILTER (WHERE is_late), 0)) AS BIGINT) AS unknown_ms,
       {events},
       min(time_ms) AS first_ms, max(time_ms + coalesce(window_ms, 0)) AS last_ms,
       min(time_ms) FILTER (WHERE running_ms > 0) AS first_running_ms,
       CAST(coalesce(sum(overlap_ms), 0) AS BIGINT) AS overlap_ms,
       min(leaf), max(leaf), min(received_ms), max(received_ms), bool_and(grade = 'signed'),
       coalesce(md5(string_agg(pattern_row, ';' ORDER BY time_ms, leaf) FILTER (WHERE is_alive AND NOT is_late)), ''),
       count(DISTINCT pattern_row) FILTER (WHERE is_alive AND NOT is_late)
FROM tiled
GROUP BY day, gateway, device, life
ORDER BY day, gateway, device, life;
