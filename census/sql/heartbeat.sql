-- Heartbeats a gateway and day.
INSERT INTO heartbeat_day SELECT gateway, day, count(*) FROM ({heard}) h GROUP BY gateway, day;
