-- The loose ends of chains inside some days: where runs of numbers start, and where they end.
SELECT gateway, epoch, seq, prev, hash, day, is_enrolled, sealed_ms, before_seq IS DISTINCT FROM seq - 1 AS is_start
FROM some_batches
WHERE before_seq IS DISTINCT FROM seq - 1 OR after_seq IS DISTINCT FROM seq + 1
