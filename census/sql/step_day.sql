-- What a device's rows tell one after another: time covered twice, and its counters' steps, side by side.
SELECT day, gateway, device, life,
       CAST(sum(greatest(0, least(ends_ms, coalesce(ended_ms, time_ms)) - time_ms)) AS BIGINT) AS overlap_ms{counter_steps}
FROM steps
WHERE day IS NOT NULL
GROUP BY day, gateway, device, life
