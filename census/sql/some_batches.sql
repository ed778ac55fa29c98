-- Some days of batches, each beside its neighbours in its chain.
SELECT gateway, epoch, seq, prev, hash, clock_state, sealed_ms, received_ms, leaf, {batch_day} AS day,
       EXISTS (SELECT 1 FROM enrolled e
               WHERE e.gateway = b.gateway AND b.sealed_ms >= e.from_ms AND b.sealed_ms < e.until_ms) AS is_enrolled,
       lag(seq) OVER chain AS before_seq, lag(hash) OVER chain AS before_hash, lead(seq) OVER chain AS after_seq
FROM ({source}) b
WHERE leaf < {log_size} AND sealed_ms < {as_of_ms}
WINDOW chain AS (PARTITION BY gateway, epoch ORDER BY seq)
