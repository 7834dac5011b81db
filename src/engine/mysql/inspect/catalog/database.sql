-- The database as a whole, in one scan of its tables. What cannot be opened has no ENGINE.
SELECT s.DEFAULT_CHARACTER_SET_NAME, s.DEFAULT_COLLATION_NAME,
       CAST(COALESCE(t.data_length, 0) AS SIGNED), CAST(COALESCE(t.index_length, 0) AS SIGNED),
       CAST(COALESCE(t.table_count, 0) AS SIGNED), CAST(COALESCE(t.view_count, 0) AS SIGNED),
       CAST(COALESCE(t.row_estimate, 0) AS SIGNED), CAST(COALESCE(t.unreadable, 0) AS SIGNED)
FROM information_schema.SCHEMATA AS s
CROSS JOIN (
    SELECT SUM(DATA_LENGTH) AS data_length, SUM(INDEX_LENGTH) AS index_length, SUM(TABLE_TYPE = 'VIEW') AS view_count,
           SUM(TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED')) AS table_count,
           SUM(IF(TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED'), TABLE_ROWS, 0)) AS row_estimate,
           SUM(TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') AND ENGINE IS NULL) AS unreadable
    FROM information_schema.TABLES
    WHERE TABLE_SCHEMA = ?
) AS t
WHERE s.SCHEMA_NAME = ?
