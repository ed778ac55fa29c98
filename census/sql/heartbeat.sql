-- Heartbeats a gateway and day.
SELECT gateway, day, count(*) AS heartbeats FROM ({heard}) h GROUP BY gateway, day
