-- Every distinct identity with the stretch in which it was heard and the leaf that holds it first.
WITH lived AS (
  SELECT i.*, coalesce(l.life, 1) AS life
  FROM identity_heard i
  LEFT JOIN life l ON l.gateway = i.gateway AND l.device = i.device AND i.time_ms >= l.from_ms AND i.time_ms < l.until_ms
)
SELECT gateway, device, life, manufacturer, model, serial, kind, axes, source,
       min(time_ms), max(time_ms), min(leaf), min(received_ms), bool_and(signed)
FROM lived
GROUP BY gateway, device, life, manufacturer, model, serial, kind, axes, source
