-- What the first batch of an epoch says of it. A row of that kind in any later batch is nobody's word on how it began.
-- Nothing a gateway sends is trusted: its words are cut.
SELECT gateway, epoch, time_ms, leaf, substr(coalesce(reason, ''), 1, 64) AS reason,
       substr(coalesce(previous, ''), 1, 64) AS previous, previous_seq
FROM ({heard}) h
WHERE seq = 1
