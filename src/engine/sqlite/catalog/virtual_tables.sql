-- Virtual tables with their definitions, by name: what has no pages of its own. One pass over the schema table.
SELECT s.name, s.sql FROM sqlite_schema AS s
WHERE s.type = 'table' AND s.rootpage = 0 AND s.sql IS NOT NULL
ORDER BY s.name COLLATE BINARY
