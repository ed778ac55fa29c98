-- The loose ends of chains inside some days.
SELECT gateway, epoch, seq, prev, hash, day, is_enrolled FROM some_batches
WHERE before_seq IS DISTINCT FROM seq - 1 OR after_seq IS DISTINCT FROM seq + 1
