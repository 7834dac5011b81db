-- Extensions $1. The version that the server would install is in a file of each. PostgreSQL 13 to 18.
SELECT e.oid, e.extversion AS version, a.default_version AS available, e.extrelocatable AS relocatable
FROM unnest($1::oid[]) AS wanted (oid)
JOIN pg_extension e ON e.oid = wanted.oid
LEFT JOIN pg_available_extensions() a ON a.name = e.extname
