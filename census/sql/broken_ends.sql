-- A batch whose predecessor rests in the file of a day read at another time. A link is judged only when both ends are here.
SELECT n.gateway, n.epoch, n.seq, n.day, n.is_enrolled, 'link' AS reason
FROM chain_end n
JOIN chain_end p ON p.gateway = n.gateway AND p.epoch = n.epoch AND p.seq = n.seq - 1
WHERE p.hash <> n.prev
  AND NOT EXISTS (SELECT 1 FROM broken b WHERE b.gateway = n.gateway AND b.epoch = n.epoch AND b.seq = n.seq)
