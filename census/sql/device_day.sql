-- On-time rows tile the day; late ones add known time to the same windows, and none of their own.
SELECT day, gateway, device, life, count(*) AS row_count,
       {sums},
       CAST(coalesce(sum(window_ms) FILTER (WHERE NOT is_late), 0) AS BIGINT) AS window_ms,
       {states},
       CAST(greatest(0, coalesce(sum(unknown_ms) FILTER (WHERE NOT is_late), 0)
         - coalesce(sum({known}) FILTER (WHERE is_late), 0)) AS BIGINT) AS unknown_ms,
       {events},
       min(time_ms) AS first_ms, max(time_ms + window_ms) AS last_ms,
       min(time_ms) FILTER (WHERE running_ms > 0) AS first_running_ms,
       min(leaf) AS leaf_min, max(leaf) AS leaf_max, min(received_ms) AS received_min_ms,
       max(received_ms) AS received_max_ms, bool_and(is_signed) AS signed,
       CAST(coalesce(sum(mark_1 * mark_1 % {prime} * mark_1 % {prime}) FILTER (WHERE is_alive), 0) AS BIGINT) AS pattern_1,
       CAST(coalesce(sum(mark_2 * mark_2 % {prime} * mark_2 % {prime}) FILTER (WHERE is_alive), 0) AS BIGINT) AS pattern_2,
       count(DISTINCT CASE WHEN is_alive THEN mark_1 * 2147483648 + mark_2 END) AS pattern_windows{counter_sums}{gauge_days}
FROM lived
GROUP BY day, gateway, device, life
