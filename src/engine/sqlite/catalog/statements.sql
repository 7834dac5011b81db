-- The texts of all definitions: tables, then what stands on them, each kind in the order in which it was made. Shadow tables come
-- with their virtual table, and sqlite_* are SQLite's own. One pass over the schema table.
SELECT s.type, s.name, s.tbl_name, s.sql
FROM sqlite_schema AS s
WHERE s.sql IS NOT NULL AND substr(s.name, 1, 7) <> 'sqlite_'
    AND s.tbl_name NOT IN (SELECT l.name FROM pragma_table_list AS l WHERE l.schema = 'main' AND l.type = 'shadow')
ORDER BY CASE s.type WHEN 'table' THEN CASE s.rootpage WHEN 0 THEN 2 ELSE 1 END WHEN 'index' THEN 3 WHEN 'view' THEN 4 ELSE 5 END,
    s.rowid
