-- Some days of provider usage: the last word on each day a service, then active or not. Suspended and cancelled is no use,
-- and neither is a day without a single user, request, stored megabyte, CPU second or fen.
WITH last_word AS (
  SELECT *, row_number() OVER (
      PARTITION BY day, gateway, enterprise, provider, service ORDER BY leaf DESC, time_ms DESC) AS place
  FROM ({heard}) h
)
SELECT day, enterprise, provider, gateway, service, coalesce(status, 'active') AS status, coalesce(since, '') AS since,
       coalesce(status, 'active') = 'active' AND (coalesce(active_users, 0) > 0 OR coalesce(requests, 0) > 0
         OR coalesce(storage_mb, 0) > 0 OR coalesce(cpu_s, 0) > 0 OR coalesce(billed_fen, 0) > 0) AS active, leaf,
       -- What no day can hold is cut: a lying reporter may send any 64-bit number.
       least(greatest(coalesce(active_users, 0), 0), 1000000000000) AS active_users,
       least(greatest(coalesce(requests, 0), 0), 1000000000000) AS requests,
       least(greatest(coalesce(storage_mb, 0), 0), 1000000000000) AS storage_mb,
       least(greatest(coalesce(cpu_s, 0), 0), 1000000000000) AS cpu_s,
       least(greatest(coalesce(billed_fen, 0), 0), 1000000000000) AS billed_fen
FROM last_word
WHERE place = 1
