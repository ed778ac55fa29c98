-- Enrolled batches a gateway, epoch and day.
SELECT gateway, epoch, day, count(*) AS batches FROM some_batches WHERE is_enrolled GROUP BY gateway, epoch, day
