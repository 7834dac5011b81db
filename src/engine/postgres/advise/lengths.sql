-- Average bytes of the values of the columns of the tables $2 of the schemas $1, as the last ANALYZE found them. The view shows
-- columns that the user may read. By an index of pg_statistic. PostgreSQL 13 to 18.
SELECT s.schemaname::text AS schema, s.tablename::text AS name, s.attname::text AS column_name, s.avg_width::float8 AS length
FROM unnest($1::text[], $2::text[]) AS wanted (schema, name)
JOIN pg_stats s ON s.schemaname = wanted.schema::name AND s.tablename = wanted.name::name AND NOT s.inherited
