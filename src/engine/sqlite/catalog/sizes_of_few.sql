-- Bytes of some tables (a JSON array of names) and of their indexes. dbstat reads every page of what is asked for, and for
-- each table and index walks over the schema table.
SELECT s.tbl_name, s.name, s.type, sum(d.pgsize)
FROM sqlite_schema AS s
JOIN dbstat AS d ON d.name = s.name AND d.schema = 'main' AND d.aggregate = TRUE
WHERE s.tbl_name COLLATE NOCASE IN (SELECT n.value FROM json_each(?1) AS n) AND s.type IN ('table', 'index')
GROUP BY s.name
