-- What each reporter says of each enterprise and provider over all days.
WITH services AS (
  SELECT enterprise, provider, gateway, service, arg_max(status, (day, leaf)) AS status
  FROM usage_day GROUP BY enterprise, provider, gateway, service
),
statuses AS (
  SELECT enterprise, provider, gateway, list(status ORDER BY service) AS statuses
  FROM services GROUP BY enterprise, provider, gateway
),
days AS (
  SELECT enterprise, provider, gateway,
         coalesce(list_sort(list_distinct(list(day) FILTER (WHERE active))), []) AS days,
         count(DISTINCT day) AS heard_days, min(day) AS first_day, max(day) AS last_day,
         coalesce(min(since) FILTER (WHERE since <> ''), '') AS since, min(leaf) AS leaf_min, max(leaf) AS leaf_max
  FROM usage_day GROUP BY enterprise, provider, gateway
)
SELECT d.enterprise, d.provider, d.gateway, d.days, d.heard_days, d.first_day, d.last_day, d.since, s.statuses,
       d.leaf_min, d.leaf_max
FROM days d JOIN statuses s USING (enterprise, provider, gateway)
ORDER BY d.enterprise, d.provider, d.gateway;
