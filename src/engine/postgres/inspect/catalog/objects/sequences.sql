-- Sequences $1, by indexes. The last number of those among $2 would have to be waited for. PostgreSQL 13 to 18.
SELECT c.oid, n.nspname::text AS schema, c.relname::text AS name, c.relpersistence = 'u' AS unlogged,
       format_type(s.seqtypid, NULL) AS data_type, s.seqstart::text AS start, s.seqincrement::text AS increment,
       s.seqmin::text AS minimum, s.seqmax::text AS maximum, s.seqcache AS cache, s.seqcycle AS cycle,
       has_sequence_privilege(c.oid, 'USAGE, SELECT') AS readable,
       CASE WHEN has_sequence_privilege(c.oid, 'USAGE, SELECT') AND c.oid <> ALL ($2::oid[])
            THEN pg_sequence_last_value(c.oid)::text END AS last_value,
       tn.nspname::text AS table_schema, t.relname::text AS table_name, a.attname::text AS column_name
FROM unnest($1::oid[]) AS wanted (oid)
JOIN pg_class c ON c.oid = wanted.oid
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_sequence s ON s.seqrelid = c.oid
LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.refclassid = 'pg_class'::regclass
                     AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
LEFT JOIN pg_class t ON t.oid = d.refobjid
LEFT JOIN pg_namespace tn ON tn.oid = t.relnamespace
LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
