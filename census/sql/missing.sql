-- Numbers that others stand behind and that are nowhere: a run starts, and the end before it is not its predecessor. The number
-- before a run is an end of another piece of days or missing, so the ends are enough to see every gap.
WITH ends AS (
  SELECT gateway, epoch, seq, sealed_ms, is_start, lag(seq) OVER chain AS before_seq, lag(sealed_ms) OVER chain AS after_ms
  FROM chain_end
  WINDOW chain AS (PARTITION BY gateway, epoch ORDER BY seq)
)
SELECT gateway, epoch, coalesce(before_seq, 0) + 1, seq - 1, after_ms, sealed_ms
FROM ends
WHERE is_start AND seq > coalesce(before_seq, 0) + 1
ORDER BY gateway, epoch, seq
