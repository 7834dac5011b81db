-- Columns of some tables (a JSON array of names) in order. Costs what those tables have.
-- hidden is 1 for the hidden columns of a virtual table, 2 for generated virtual and 3 for generated stored columns.
SELECT n.value, c.name, c.type, c."notnull", c.dflt_value, c.pk, c.hidden
FROM json_each(?1) AS n
JOIN pragma_table_xinfo(n.value, 'main') AS c
WHERE c.hidden <> 1
ORDER BY n.key, c.cid
