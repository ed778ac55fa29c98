-- Some days of provider usage: the last word on each day a service, then active or not. Suspended and cancelled is no use,
-- and neither is a day without a single user, request, stored megabyte, CPU second or fen.
INSERT INTO usage_day
WITH last_word AS (
  SELECT * FROM ({heard}) h
  QUALIFY row_number() OVER (PARTITION BY day, gateway, enterprise, provider, service ORDER BY leaf DESC, time_ms DESC) = 1
)
SELECT day, enterprise, provider, gateway, service, coalesce(status, 'active'), coalesce(since, ''),
       coalesce(status, 'active') = 'active' AND (coalesce(active_users, 0) > 0 OR coalesce(requests, 0) > 0
         OR coalesce(storage_mb, 0) > 0 OR coalesce(cpu_s, 0) > 0 OR coalesce(billed_fen, 0) > 0), leaf
FROM last_word;
