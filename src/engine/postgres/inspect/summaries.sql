-- Number of columns and bytes of indexes of the relations $1; $2 are locked. Cost by relation asked for. PostgreSQL 13 to 18.
SELECT wanted.oid,
       (SELECT count(*)::int4 FROM pg_attribute a
        WHERE a.attrelid = wanted.oid AND a.attnum > 0 AND NOT a.attisdropped),
       CASE WHEN wanted.oid = ANY ($2::oid[]) THEN -1 ELSE coalesce(pg_indexes_size(wanted.oid), -1) END
FROM unnest($1::oid[]) AS wanted (oid)
