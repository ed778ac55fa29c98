-- What each device said to be on some days, folded into distinct answers by identity_lives.sql.
INSERT INTO identity_heard
SELECT gateway, device, coalesce(manufacturer, ''), coalesce(model, ''), coalesce(serial, ''), coalesce(kind, ''), axes,
       coalesce(source, 'declared'), time_ms, leaf, received_ms, grade = 'signed'
FROM ({heard}) h;
