-- Extended statistics of the relations $1, by an index of pg_statistic_ext. PostgreSQL 13 to 18.
SELECT s.stxrelid AS relation, n.nspname::text AS schema, s.stxname::text AS name,
       pg_get_statisticsobjdef(s.oid) AS definition, nullif(s.stxstattarget, -1)::int4 AS target, d.description AS comment
FROM unnest($1::oid[]) AS wanted (oid)
JOIN pg_statistic_ext s ON s.stxrelid = wanted.oid
JOIN pg_namespace n ON n.oid = s.stxnamespace
LEFT JOIN pg_description d ON d.objoid = s.oid AND d.classoid = 'pg_statistic_ext'::regclass AND d.objsubid = 0
ORDER BY s.stxrelid, n.nspname, s.stxname
