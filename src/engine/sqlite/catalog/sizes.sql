-- Bytes of many tables (a JSON array of names) and of their indexes. Reads every page of the file once, and without the walk over
-- the schema table for each name that dbstat takes when it is asked for one.
WITH measured AS MATERIALIZED (
    SELECT d.name, sum(d.pgsize) AS bytes FROM dbstat AS d WHERE d.schema = 'main' AND d.aggregate = TRUE GROUP BY d.name
)
SELECT s.tbl_name, s.name, s.type, m.bytes
FROM sqlite_schema AS s
JOIN measured AS m ON m.name = s.name
WHERE s.tbl_name COLLATE NOCASE IN (SELECT n.value FROM json_each(?1) AS n) AND s.type IN ('table', 'index')
