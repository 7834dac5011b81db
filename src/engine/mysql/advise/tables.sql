-- Rows read by each index of each table of the database, and without any, which is the index NULL; and rows written, which count
-- there too. Out of memory, a row for each index of a table that was opened since the server started. MariaDB from 10.0, MySQL from 5.6.
SELECT OBJECT_NAME, INDEX_NAME, CAST(COUNT_FETCH AS SIGNED), CAST(COUNT_INSERT AS SIGNED), CAST(COUNT_UPDATE AS SIGNED),
    CAST(COUNT_DELETE AS SIGNED)
FROM performance_schema.table_io_waits_summary_by_index_usage
WHERE OBJECT_TYPE = 'TABLE' AND OBJECT_SCHEMA = ?
