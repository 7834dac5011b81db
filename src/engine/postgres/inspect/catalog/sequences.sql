-- Sequences that belong to columns of the relations $1, by an index of pg_depend. The last number of those among $2 would have
-- to be waited for. PostgreSQL 13 to 18.
SELECT d.refobjid AS relation, d.refobjsubid::int2 AS number, c.oid, n.nspname::text AS schema, c.relname::text AS name,
       format_type(s.seqtypid, NULL) AS data_type, s.seqstart::text AS start, s.seqincrement::text AS increment,
       s.seqmin::text AS minimum, s.seqmax::text AS maximum, s.seqcache AS cache, s.seqcycle AS cycle,
       has_sequence_privilege(c.oid, 'USAGE, SELECT') AS readable,
       CASE WHEN has_sequence_privilege(c.oid, 'USAGE, SELECT') AND c.oid <> ALL ($2::oid[])
            THEN pg_sequence_last_value(c.oid)::text END AS last_value
FROM unnest($1::oid[]) AS wanted (oid)
JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = wanted.oid AND d.refobjsubid > 0
                AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
JOIN pg_sequence s ON s.seqrelid = d.objid
JOIN pg_class c ON c.oid = s.seqrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
ORDER BY d.refobjid, d.refobjsubid, n.nspname, c.relname
