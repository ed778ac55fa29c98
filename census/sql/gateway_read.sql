-- Each gateway's days: batches with good and bad links, heartbeats.
WITH counts AS (
  SELECT gateway, day, batches, 0 AS broken, 0 AS heartbeats FROM batch_day
  UNION ALL SELECT gateway, day, 0, 1, 0 FROM broken WHERE is_enrolled
  UNION ALL SELECT gateway, day, 0, 0, heartbeats FROM heartbeat_day
)
SELECT gateway, day, CAST(sum(batches) - sum(broken) AS BIGINT), CAST(sum(broken) AS BIGINT), CAST(sum(heartbeats) AS BIGINT)
FROM counts
GROUP BY gateway, day
ORDER BY gateway, day
