-- Every distinct identity with the stretch in which it was heard and the leaf that holds it first.
SELECT i.gateway, i.device, coalesce(l.life, 1) AS life, i.manufacturer, i.model, i.serial, i.kind, i.axes, i.source,
       min(i.time_ms), max(i.time_ms), min(i.leaf), min(i.received_ms), bool_and(i.signed)
FROM identity_heard i
LEFT JOIN life l ON l.gateway = i.gateway AND l.device = i.device AND i.time_ms >= l.from_ms AND i.time_ms < l.until_ms
GROUP BY ALL
ORDER BY ALL;
