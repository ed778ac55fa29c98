-- What each reporter says of each enterprise and provider over all days, and how its numbers look: how many are distinct,
-- round, or the very numbers of another enterprise of the same reporter on the same day.
WITH placed AS (
  SELECT *, row_number() OVER (PARTITION BY enterprise, provider, gateway, service ORDER BY day DESC, leaf DESC) AS place
  FROM usage_day
),
services AS (
  SELECT enterprise, provider, gateway, array_sort(array_agg(concat(service, '=', status))) AS services
  FROM placed WHERE place = 1
  GROUP BY enterprise, provider, gateway
),
days AS (
  SELECT enterprise, provider, gateway, array_sort(array_agg(DISTINCT day) FILTER (WHERE active)) AS days,
         count(DISTINCT day) AS heard_days, min(day) AS first_day, max(day) AS last_day,
         coalesce(min(since) FILTER (WHERE since <> ''), '') AS since, min(leaf) AS leaf_min, max(leaf) AS leaf_max
  FROM usage_day GROUP BY enterprise, provider, gateway
),
-- Numbers worth comparing: an active day with work measured in hundreds and a second number. A flat subscription (seats
-- and fee) is the same every day and for many; so few numbers say nothing. Use begins with the first active day.
numbered AS (
  SELECT DISTINCT enterprise, provider, gateway, day, active_users, requests, storage_mb, cpu_s, billed_fen, begun,
         greatest(requests, cpu_s) AS work
  FROM (SELECT *, min(day) OVER (PARTITION BY enterprise, provider, gateway) AS begun FROM usage_day WHERE active) used
  WHERE greatest(requests, cpu_s) >= 100
    AND CAST(active_users > 0 AS INTEGER) + CAST(requests > 0 AS INTEGER) + CAST(storage_mb > 0 AS INTEGER)
      + CAST(cpu_s > 0 AS INTEGER) + CAST(billed_fen > 0 AS INTEGER) >= 2
),
-- Work in thousands: a day by itself tells one customer from another.
told AS (SELECT * FROM numbered WHERE work >= 1000),
-- Less work: among thousands of small customers a day's few numbers meet by chance, a week of four different ones does not.
weeks AS (
  SELECT enterprise, provider, gateway, begun, day {div} 7 AS week, count(DISTINCT day) AS days,
         array_sort(array_agg(concat_ws('|', day, active_users, requests, storage_mb, cpu_s, billed_fen))) AS numbers
  FROM numbered WHERE work < 1000
  GROUP BY enterprise, provider, gateway, begun, day {div} 7
  HAVING count(DISTINCT concat_ws('|', active_users, requests, storage_mb, cpu_s, billed_fen)) >= 4
),
-- Who else has the very numbers at the very time: each is paired with the one whose use began first, so that a reporter
-- who gives thousands the same numbers costs no square.
twinned AS (
  SELECT enterprise, provider, gateway, begun, day AS moment, 1 AS days, first_value(enterprise) OVER same AS leader,
         first_value(begun) OVER same AS leader_begun,
         count(*) OVER (PARTITION BY gateway, provider, day, active_users, requests, storage_mb, cpu_s, billed_fen) AS members
  FROM told
  WINDOW same AS (PARTITION BY gateway, provider, day, active_users, requests, storage_mb, cpu_s, billed_fen
                  ORDER BY begun, enterprise)
  UNION ALL
  SELECT enterprise, provider, gateway, begun, -week AS moment, days, first_value(enterprise) OVER same AS leader,
         first_value(begun) OVER same AS leader_begun, count(*) OVER (PARTITION BY gateway, provider, week, numbers) AS members
  FROM weeks
  WINDOW same AS (PARTITION BY gateway, provider, week, numbers ORDER BY begun, enterprise)
),
matched AS (
  SELECT enterprise, leader, provider, gateway, begun > leader_begun AS is_behind, moment, max(days) AS days,
         max(members) AS members
  FROM twinned WHERE enterprise <> leader
  GROUP BY enterprise, leader, provider, gateway, begun > leader_begun, moment
),
pairs AS (
  SELECT enterprise, leader, provider, gateway, is_behind, sum(days) AS days, max(members) AS members
  FROM matched GROUP BY enterprise, leader, provider, gateway, is_behind
),
sides AS (
  SELECT enterprise, provider, gateway, is_behind, NOT is_behind AS is_tied, days, members FROM pairs
  UNION ALL
  SELECT leader, provider, gateway, false, NOT is_behind, days, members FROM pairs
),
twins AS (
  SELECT enterprise, provider, gateway, max(days) AS twin_days, max(CASE WHEN is_behind THEN days ELSE 0 END) AS behind_days,
         max(CASE WHEN is_tied THEN days ELSE 0 END) AS tied_days, max(members) AS members
  FROM sides GROUP BY enterprise, provider, gateway
),
-- How the numbers look: hundreds that never change are as odd as thousands, but only thousands are odd for being round.
looks AS (
  SELECT enterprise, provider, gateway, count(DISTINCT day) AS told_days,
         count(DISTINCT concat_ws('|', active_users, requests, storage_mb, cpu_s, billed_fen)) AS distinct_days,
         count(DISTINCT day) FILTER (WHERE work >= 1000 AND (requests < 1000 OR requests % 1000 = 0)
           AND (active_users < 1000 OR active_users % 1000 = 0) AND (cpu_s < 1000 OR cpu_s % 1000 = 0)) AS round_days,
         max(active_users) AS users_max, max(requests {div} greatest(active_users, 1)) AS requests_a_user_max
  FROM numbered GROUP BY enterprise, provider, gateway
)
SELECT d.enterprise, d.provider, d.gateway, d.days, d.heard_days, d.first_day, d.last_day, d.since, s.services,
       d.leaf_min, d.leaf_max, coalesce(l.told_days, 0), coalesce(l.distinct_days, 0),
       coalesce(l.round_days, 0), coalesce(l.users_max, 0), coalesce(l.requests_a_user_max, 0),
       coalesce(t.twin_days, 0), coalesce(t.behind_days, 0), coalesce(t.tied_days, 0), coalesce(t.members, 0)
FROM days d JOIN services s USING (enterprise, provider, gateway)
LEFT JOIN looks l USING (enterprise, provider, gateway) LEFT JOIN twins t USING (enterprise, provider, gateway)
ORDER BY enterprise, provider, gateway
