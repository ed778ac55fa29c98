-- Each gateway's epochs: when each began, by its own row, else its first seal, else its first receipt.
WITH told AS (
  SELECT *, row_number() OVER (PARTITION BY gateway, epoch ORDER BY time_ms, leaf) AS place FROM epoch_told
),
seen AS (
  SELECT gateway, epoch, coalesce(min(sealed_ms), min(received_ms)) AS began_ms, min(leaf) AS leaf
  FROM (
    SELECT gateway, epoch, sealed_ms, received_ms, leaf FROM epoch_seen
    UNION ALL
    SELECT gateway, epoch, time_ms, time_ms, leaf FROM epoch_told
  ) b
  GROUP BY gateway, epoch
)
SELECT s.gateway, s.epoch, coalesce(t.time_ms, s.began_ms), s.leaf, coalesce(t.reason, ''), coalesce(t.previous, ''),
       t.previous_seq
FROM seen s
LEFT JOIN told t ON t.gateway = s.gateway AND t.epoch = s.epoch AND t.place = 1
