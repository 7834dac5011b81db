-- Primary keys of some tables (a JSON array of names) in order: one pass over the schema table. Only what has a root page is asked
-- for its columns, because a foreign key can point to a view that is broken, which would fail the query.
SELECT s.name, c.name
FROM sqlite_schema AS s
JOIN pragma_table_info(s.name, 'main') AS c
WHERE s.type = 'table' AND s.rootpage > 0 AND c.pk > 0
    AND s.name COLLATE NOCASE IN (SELECT n.value FROM json_each(?1) AS n)
ORDER BY s.name, c.pk
