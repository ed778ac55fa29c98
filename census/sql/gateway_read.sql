-- Each gateway's days: batches with good and bad links, heartbeats.
WITH bad AS (SELECT gateway, day, count(*) AS broken FROM broken WHERE is_enrolled GROUP BY gateway, day),
     batches AS (SELECT gateway, day, sum(batches) AS batches FROM batch_day GROUP BY gateway, day),
     beats AS (SELECT gateway, day, sum(heartbeats) AS heartbeats FROM heartbeat_day GROUP BY gateway, day)
SELECT gateway, day, CAST(coalesce(batches, 0) - coalesce(broken, 0) AS BIGINT), coalesce(broken, 0),
       CAST(coalesce(heartbeats, 0) AS BIGINT)
FROM batches FULL JOIN bad USING (gateway, day) FULL JOIN beats USING (gateway, day)
ORDER BY gateway, day;
