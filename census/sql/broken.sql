-- Which batches hang on a broken link? Links inside these days are judged here, links to other days once all ends are
-- known (broken_ends.sql).
SELECT gateway, epoch, seq, day, is_enrolled, CASE WHEN clock_state = 'unsynced' THEN 'unsynced' ELSE 'link' END AS reason
FROM some_batches
WHERE clock_state = 'unsynced'
   OR (seq = 1 AND prev <> repeat('0', 64))
   OR (before_seq = seq - 1 AND before_hash <> prev)
