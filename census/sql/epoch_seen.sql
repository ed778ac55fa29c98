-- The epochs of these days' enrolled batches, whether or not they tell of themselves. What an unsynchronised clock sealed is
-- dated by its receipt.
SELECT gateway, epoch, min(sealed_ms) FILTER (WHERE clock_state <> 'unsynced') AS sealed_ms, min(received_ms) AS received_ms,
       min(leaf) AS leaf
FROM some_batches
WHERE is_enrolled
GROUP BY gateway, epoch
