-- The rows of some days that may bear witness; other templates take it in where they say heard, in braces: inside the log's first
-- leaves, before as_of, not quarantined, of a gateway enrolled at the time, of a grade the policy takes, in a batch
-- whose own link holds, and in no epoch that waits for a person's word.
SELECT r.*, {row_day} AS day
FROM ({source}) r
WHERE r.leaf < {log_size} AND r.time_ms < {as_of_ms} AND NOT coalesce(r.quarantined, false)
  AND ({unsigned} OR r.grade = 'signed')
  AND EXISTS (SELECT 1 FROM enrolled e
              WHERE e.gateway = r.gateway AND r.time_ms >= e.from_ms AND r.time_ms < e.until_ms)
  AND NOT EXISTS (SELECT 1 FROM broken b
                  WHERE b.gateway = r.gateway AND b.epoch = r.epoch AND b.seq = r.seq)
  AND NOT EXISTS (SELECT 1 FROM silenced s WHERE s.gateway = r.gateway AND s.epoch = r.epoch)
