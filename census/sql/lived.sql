-- Some days of machine rows into lives, cut to what can be true, each with two marks of what it counted and measured (the
-- clock left out) and one of what its counters grew by. Sums of these marks' cubes are a day's pattern: no order, no text.
-- Nothing a gateway sends is trusted: a window longer than a day, or more time in a state than the window has, is no row.
SELECT c.*, NOT is_late AND ({is_alive}) AS is_alive, NOT is_late AND ({is_grown}) AS is_grown,
       {mark_1} AS mark_1, {mark_2} AS mark_2, ({grown_1}) * 2147483648 + ({grown_2}) AS grown,
       {work} AS work
FROM (
  SELECT h.gateway, h.device, coalesce(l.life, 1) AS life, h.day, h.time_ms, h.leaf, h.received_ms, h.profile,
         h.grade = 'signed' AS is_signed, coalesce(h.late, false) AS is_late,
         ((h.time_ms + {offset_ms}) % {day_ms}) {div} {hour_ms} AS hour,
         h.time_ms + least(coalesce(h.window_ms, 0), {day_ms} - (h.time_ms + {offset_ms}) % {day_ms}) AS ends_ms,
         {cut}{lived_counters}{lived_gauges}
  FROM ({heard}) h
  LEFT JOIN life l ON l.gateway = h.gateway AND l.device = h.device AND h.time_ms >= l.from_ms AND h.time_ms < l.until_ms
  WHERE coalesce(h.window_ms, 0) BETWEEN 0 AND {day_ms} AND {possible}
) c
