-- Each gateway's days: batches with good and bad links, heartbeats, the epochs its batches were of. Batches of an epoch that
-- waits for a person's word are bad ones.
WITH counts AS (
  SELECT gateway, day, epoch, batches, 0 AS broken, 0 AS heartbeats FROM batch_day
  UNION ALL
  SELECT b.gateway, b.day, b.epoch, 0, b.batches, 0
  FROM batch_day b JOIN silenced s ON s.gateway = b.gateway AND s.epoch = b.epoch
  UNION ALL
  SELECT b.gateway, b.day, b.epoch, 0, 1, 0
  FROM broken b
  WHERE b.is_enrolled
    AND NOT EXISTS (SELECT 1 FROM silenced s WHERE s.gateway = b.gateway AND s.epoch = b.epoch)
  UNION ALL
  SELECT gateway, day, '', 0, 0, heartbeats FROM heartbeat_day
)
SELECT gateway, day, CAST(sum(batches) - sum(broken) AS BIGINT), CAST(sum(broken) AS BIGINT), CAST(sum(heartbeats) AS BIGINT),
       array_sort(array_agg(DISTINCT epoch) FILTER (WHERE epoch <> ''))
FROM counts
GROUP BY gateway, day
ORDER BY gateway, day
