-- Every table and view that users made, by name. One walk over the schema, which SQLite holds in memory.
-- Served by SQLite 3.37 and later (pragma_table_list); this binary brings its own.
-- Shadow tables are parts of a virtual table, and sqlite_* are SQLite's own.
SELECT l.name, l.type, l.wr, l.strict
FROM pragma_table_list(?1) AS l
WHERE l.schema = 'main' AND l.type <> 'shadow' AND substr(l.name, 1, 7) <> 'sqlite_'
ORDER BY l.name COLLATE BINARY
