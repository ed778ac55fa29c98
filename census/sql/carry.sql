-- What the next days' rows stand behind.
SELECT gateway, device, life{carried_counters}
FROM steps
GROUP BY gateway, device, life
