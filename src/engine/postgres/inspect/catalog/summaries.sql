-- The relations $1 in a line, in that order; the sizes of those among $2 would have to be waited for. Sizes cost the most:
-- PostgreSQL opens each relation and looks at each of its files, so that the index of an empty TOAST table is not looked at as
-- pg_table_size does. PostgreSQL 13 to 18.
SELECT n.nspname::text AS schema, c.relname::text AS name, c.relkind::text AS kind, c.reltuples::int8 AS row_estimate,
       d.description AS comment,
       CASE WHEN c.oid = ANY ($2::oid[]) THEN -1
            WHEN c.relkind IN ('r', 'm') THEN coalesce(
                pg_relation_size(c.oid) + pg_relation_size(c.oid, 'fsm') + pg_relation_size(c.oid, 'vm')
                + CASE WHEN c.reltoastrelid = 0 OR pg_relation_size(c.reltoastrelid) = 0 THEN 0
                       ELSE pg_total_relation_size(c.reltoastrelid) END, -1)
            ELSE 0 END AS data_size,
       CASE WHEN c.oid = ANY ($2::oid[]) THEN -1 ELSE coalesce(pg_indexes_size(c.oid), -1) END AS index_size,
       (SELECT count(*)::int4 FROM pg_attribute a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS column_count
FROM unnest($1::oid[]) WITH ORDINALITY AS wanted (oid, place)
JOIN pg_class c ON c.oid = wanted.oid
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_description d ON d.objoid = c.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = 0
ORDER BY wanted.place
