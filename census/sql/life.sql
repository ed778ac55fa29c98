-- A change of serial on one (gateway, device) opens a new life. Where a device tells its own serial, only what it told
-- itself opens lives: a declaration is the same paper before and after a swap.
WITH told AS (
  SELECT *, source IN ('register', 'fc43', 'birth') AS is_read,
         bool_or(source IN ('register', 'fc43', 'birth')) OVER (PARTITION BY gateway, device) AS any_read
  FROM identity_heard WHERE serial <> ''
),
steps AS (
  SELECT gateway, device, serial, time_ms, leaf,
         CASE WHEN serial IS DISTINCT FROM lag(serial) OVER place THEN 1 ELSE 0 END AS is_new
  FROM told WHERE is_read = any_read
  WINDOW place AS (PARTITION BY gateway, device ORDER BY time_ms, leaf)
),
numbered AS (
  SELECT *, sum(is_new) OVER (PARTITION BY gateway, device ORDER BY time_ms, leaf ROWS UNBOUNDED PRECEDING) AS life
  FROM steps
),
begun AS (
  SELECT gateway, device, CAST(life AS INTEGER) AS life, min(time_ms) AS from_ms
  FROM numbered GROUP BY gateway, device, life
)
SELECT gateway, device, life,
       CASE WHEN life = 1 THEN -9000000000000000 ELSE from_ms END AS from_ms,
       coalesce(lead(from_ms) OVER (PARTITION BY gateway, device ORDER BY life), 9000000000000000) AS until_ms
FROM begun
