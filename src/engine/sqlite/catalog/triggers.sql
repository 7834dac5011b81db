-- Every trigger with its table and text: one pass over the schema table, which SQLite holds in memory.
SELECT s.name, s.tbl_name, s.sql
FROM sqlite_schema AS s
WHERE s.type = 'trigger'
