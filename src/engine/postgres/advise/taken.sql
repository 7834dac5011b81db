-- Those of the names $2 of the schemas $1 that a table, an index or the like has. By an index of pg_class for each. PostgreSQL 13 to 18.
SELECT wanted.schema, lower(wanted.name) AS name
FROM unnest($1::text[], $2::text[]) AS wanted (schema, name)
JOIN pg_namespace n ON n.nspname = wanted.schema::name
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.name::name
