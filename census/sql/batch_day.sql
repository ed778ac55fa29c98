-- Enrolled batches a gateway and day.
SELECT gateway, day, count(*) AS batches FROM some_batches WHERE is_enrolled GROUP BY gateway, day
