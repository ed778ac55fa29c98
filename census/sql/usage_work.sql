-- Each customer's work a day, all services together, where it is enough to go up and down, as day * 10^12 + work: for
-- usage_chance.py.
SELECT enterprise, provider, gateway, min(begun) AS begun,
       array_sort(array_agg(day * CAST(1000000000000 AS BIGINT) + CAST(work AS BIGINT))) AS days
FROM (
  SELECT enterprise, provider, gateway, day, least(sum(greatest(requests, cpu_s)), 999999999999) AS work,
         min(min(day)) OVER (PARTITION BY enterprise, provider, gateway) AS begun
  FROM usage_day WHERE active
  GROUP BY enterprise, provider, gateway, day
) daily
WHERE work >= {usage_work_min}
GROUP BY enterprise, provider, gateway
HAVING count(*) >= {usage_days_min}
ORDER BY enterprise, provider, gateway
