-- Comments on the relations $1, where the column is 0, and on their columns, by an index of pg_description. PostgreSQL 13 to 18.
SELECT d.objoid AS relation, d.objsubid::int2 AS column, d.description AS comment
FROM unnest($1::oid[]) AS wanted (oid)
CROSS JOIN LATERAL (
    SELECT * FROM pg_description WHERE objoid = wanted.oid AND classoid = 'pg_class'::regclass OFFSET 0) d
