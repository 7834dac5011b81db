-- Columns of the tables of one page. The condition on the name is tested before a table is opened.
SELECT TABLE_NAME, CAST(COUNT(*) AS SIGNED)
FROM information_schema.COLUMNS
WHERE TABLE_SCHEMA = ? AND CAST(TABLE_NAME AS BINARY) BETWEEN CAST(? AS BINARY) AND CAST(? AS BINARY)
GROUP BY TABLE_NAME
