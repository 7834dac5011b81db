-- The database as a whole; $1 are relations whose size would have to be waited for. One pass over pg_class, and a stat
-- of each file for the sizes. PostgreSQL 13 to 18.
WITH relations AS (
    SELECT c.oid, c.relkind, c.reltuples, n.oid AS schema
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm', 'i', 'I')
      AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
      AND NOT EXISTS (SELECT FROM pg_depend e
                      WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')
), totals AS (
    SELECT sum(CASE WHEN relkind IN ('r', 'm') AND oid <> ALL ($1::oid[]) THEN pg_table_size(oid) ELSE 0 END) AS data_size,
           sum(CASE WHEN relkind = 'i' AND oid <> ALL ($1::oid[]) THEN pg_relation_size(oid) ELSE 0 END) AS index_size,
           count(*) FILTER (WHERE relkind IN ('r', 'p', 'f')) AS tables,
           count(*) FILTER (WHERE relkind IN ('v', 'm')) AS views,
           count(*) FILTER (WHERE relkind IN ('i', 'I')) AS indexes,
           sum(CASE WHEN relkind = 'r' THEN greatest(reltuples, 0) ELSE 0 END) AS row_estimate
    FROM relations
)
SELECT d.datname::text, pg_encoding_to_char(d.encoding)::text, d.datcollate::text,
       pg_database_size(d.oid), coalesce(data_size, 0)::int8, coalesce(index_size, 0)::int8,
       (SELECT count(*) FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'),
       tables, views, indexes, coalesce(row_estimate, 0)::int8
FROM pg_database d, totals
WHERE d.datname = current_database()
