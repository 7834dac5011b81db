-- Collations $1, by the index of pg_collation. PostgreSQL 13 to 18.
SELECT c.oid, CASE c.collprovider WHEN 'c' THEN 'libc' WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' WHEN 'd' THEN 'default' END AS provider,
       coalesce(c.colllocale, c.collcollate) AS locale, c.collicurules AS rules, -- 17+
       coalesce(c.colliculocale, c.collcollate) AS locale, -- 15+ before 17
       c.collcollate::text AS locale, -- before 15
       c.collicurules AS rules, -- 16+ before 17
       NULL::text AS rules, -- before 16
       nullif(c.collctype, c.collcollate)::text AS character_type, c.collisdeterministic AS deterministic,
       c.collversion AS version, pg_collation_actual_version(c.oid) AS actual_version
FROM unnest($1::oid[]) AS wanted (oid)
JOIN pg_collation c ON c.oid = wanted.oid
