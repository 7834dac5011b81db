-- Text columns by table. What is a view is sorted out in memory: a join with TABLES does not end on thousands of tables.
SELECT TABLE_NAME, CAST(COUNT(*) AS SIGNED)
FROM information_schema.COLUMNS
WHERE DATA_TYPE IN ('char', 'varchar', 'tinytext', 'text', 'mediumtext', 'longtext') AND TABLE_SCHEMA = ?
GROUP BY TABLE_NAME
