-- The texts of tables, indexes and views, in the order in which they were made. Shadow tables come with their virtual table, and
-- sqlite_* are SQLite's own. One pass over the schema table, and no more of it than a copy in memory
-- may take.
SELECT s.sql
FROM sqlite_schema AS s
WHERE s.sql IS NOT NULL AND s.type <> 'trigger' AND substr(s.name, 1, 7) <> 'sqlite_'
    AND length(s.sql) <= 1000000 AND s.tbl_name NOT IN (SELECT l.name FROM pragma_table_list AS l WHERE l.schema = 'main' AND l.type = 'shadow')
ORDER BY s.rowid LIMIT 20000
