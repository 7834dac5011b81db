-- Tables in which virtual tables keep their data, by name. One walk over the schema, which SQLite holds in memory.
SELECT l.name FROM pragma_table_list AS l WHERE l.schema = 'main' AND l.type = 'shadow' ORDER BY l.name COLLATE BINARY
