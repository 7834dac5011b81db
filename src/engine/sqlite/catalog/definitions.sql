-- The texts of the definitions that belong to some tables (a JSON array of names): one pass over the schema table.
SELECT s.type, s.name, s.tbl_name, s.sql
FROM sqlite_schema AS s
WHERE s.tbl_name COLLATE NOCASE IN (SELECT n.value FROM json_each(?1) AS n) AND s.sql IS NOT NULL
ORDER BY s.type, s.name COLLATE BINARY
