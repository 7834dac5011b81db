-- Tables, views and triggers in whose text a part of a name (lower case) stands. SQLite keeps no record of what depends on
-- what; this is one pass over the texts of the schema table, and what it finds is read closely afterwards.
SELECT s.type, s.name, s.tbl_name, s.sql
FROM sqlite_schema AS s
WHERE s.type IN ('table', 'view', 'trigger') AND instr(lower(s.sql), ?1) > 0
ORDER BY s.type, s.name COLLATE BINARY
