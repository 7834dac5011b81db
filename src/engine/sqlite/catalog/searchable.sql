-- How many ordinary tables have a column of the affinity TEXT, and how many such columns there are. Reads the columns of every table
-- from the schema that SQLite holds in memory; the rules of affinity are those of its manual.
SELECT count(DISTINCT l.name), count(*)
FROM pragma_table_list AS l
JOIN pragma_table_xinfo(l.name, 'main') AS c
WHERE l.schema = 'main' AND l.type = 'table' AND substr(l.name, 1, 7) <> 'sqlite_'
    AND c.type NOT LIKE '%INT%' AND (c.type LIKE '%CHAR%' OR c.type LIKE '%CLOB%' OR c.type LIKE '%TEXT%')
