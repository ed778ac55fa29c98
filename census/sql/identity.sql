-- What each device said to be on some days, folded into distinct answers by life.sql and identity_read.sql.
SELECT gateway, device, coalesce(manufacturer, '') AS manufacturer, coalesce(model, '') AS model,
       coalesce(serial, '') AS serial, coalesce(kind, '') AS kind, axes, coalesce(source, 'declared') AS source,
       time_ms, leaf, received_ms, grade = 'signed' AS signed
FROM ({heard}) h
