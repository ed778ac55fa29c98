-- Which batches hang on a broken link? Some days of `batch` rows into `broken`, their loose ends into `chain_end`.
-- Links inside these days are judged here, links to other days once all ends are known (chain_ends.sql).
CREATE OR REPLACE TEMP TABLE some_days AS
SELECT gateway, epoch, seq, prev, hash, clock_state, {batch_day} AS day,
       EXISTS (SELECT 1 FROM enrolled e
               WHERE e.gateway = b.gateway AND b.sealed_ms >= e.from_ms AND b.sealed_ms < e.until_ms) AS is_enrolled,
       lag(seq) OVER chain AS before_seq, lag(hash) OVER chain AS before_hash, lead(seq) OVER chain AS after_seq
FROM ({source}) b
WHERE leaf < $log_size AND sealed_ms < $as_of_ms
WINDOW chain AS (PARTITION BY gateway, epoch ORDER BY seq);

INSERT INTO broken
SELECT gateway, epoch, seq, day, is_enrolled, CASE WHEN clock_state = 'unsynced' THEN 'unsynced' ELSE 'link' END
FROM some_days
WHERE clock_state = 'unsynced'
   OR (seq = 1 AND prev <> repeat('0', 64))
   OR (before_seq = seq - 1 AND before_hash <> prev);

INSERT INTO chain_end
SELECT gateway, epoch, seq, prev, hash, day, is_enrolled FROM some_days
WHERE before_seq IS DISTINCT FROM seq - 1 OR after_seq IS DISTINCT FROM seq + 1;

INSERT INTO batch_day SELECT gateway, day, count(*) FROM some_days WHERE is_enrolled GROUP BY gateway, day;
