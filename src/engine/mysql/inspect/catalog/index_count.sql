-- Indexes of a database; the first part stands for the whole.
SELECT CAST(COUNT(*) AS SIGNED)
FROM information_schema.STATISTICS
WHERE SEQ_IN_INDEX = 1 AND TABLE_SCHEMA = ?
