-- What each device did in each hour of its day: seconds running, then the growth of its most telling counter.
WITH hours AS (
  SELECT day, gateway, device, life, hour, least(sum(running_ms) {div} 1000, 2147483647) AS running_s,
         least(sum(work), 2147483647) AS work
  FROM lived
  WHERE NOT is_late
  GROUP BY day, gateway, device, life, hour
)
SELECT day, gateway, device, life, {run_hours}, {work_hours}
FROM hours
GROUP BY day, gateway, device, life
