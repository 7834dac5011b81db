-- The statements of the database that took the most time. Reads a table in memory of performance_schema_digests_size rows, 10,000 at
-- most by default. Times are in picoseconds. MariaDB from 10.0, MySQL from 5.6.
SELECT DIGEST_TEXT, CAST(COUNT_STAR AS SIGNED), CAST(SUM_TIMER_WAIT / 1000000 AS SIGNED), CAST(SUM_ROWS_EXAMINED AS SIGNED),
    CAST(SUM_NO_INDEX_USED AS SIGNED)
FROM performance_schema.events_statements_summary_by_digest
WHERE SCHEMA_NAME = ? AND DIGEST_TEXT REGEXP '^[( ]*(SELECT|INSERT|UPDATE|DELETE|WITH) '
ORDER BY SUM_TIMER_WAIT DESC LIMIT 100
