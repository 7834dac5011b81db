-- Names of the operator classes $1, by their numbers. PostgreSQL 13 to 18.
SELECT op.oid, n.nspname::text AS schema, op.opcname::text AS name, op.opcdefault AS is_default
FROM unnest($1::oid[]) AS wanted (oid)
JOIN pg_opclass op ON op.oid = wanted.oid
JOIN pg_namespace n ON n.oid = op.opcnamespace
