-- How alike are the windows in which a device's counters grew? Each is compared with the ones 1 to 24 before it.
WITH grown_rows AS (
  SELECT day, gateway, device, life, time_ms, leaf, grown FROM lived WHERE is_grown
),
looked AS (
  SELECT *, {lags}
  FROM grown_rows
  WINDOW place AS (PARTITION BY day, gateway, device, life ORDER BY time_ms, leaf)
),
counted AS (
  SELECT day, gateway, device, life, count(*) AS active, count(DISTINCT grown) AS different, {repeats}
  FROM looked
  GROUP BY day, gateway, device, life
),
chosen AS (SELECT *, {best} AS best FROM counted)
SELECT day, gateway, device, life, active, different, CAST(repeat_1 AS BIGINT), CAST(best AS BIGINT),
       CASE WHEN best > 0 THEN {period} ELSE 0 END
FROM chosen
