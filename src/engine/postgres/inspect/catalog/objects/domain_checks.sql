-- Checks of the domains $1, by an index of pg_constraint. PostgreSQL 13 to 18.
SELECT con.contypid AS oid, con.conname::text AS name, pg_get_expr(con.conbin, 0) AS expression, con.convalidated AS validated
FROM unnest($1::oid[]) AS wanted (oid)
JOIN pg_constraint con ON con.contypid = wanted.oid AND con.contype = 'c'
ORDER BY con.contypid, con.conname
