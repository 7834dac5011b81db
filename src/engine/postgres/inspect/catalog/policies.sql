-- Row security policies of the relations $1, by an index of pg_policy. PostgreSQL 13 to 18.
SELECT p.polrelid AS relation, p.polname::text AS name, p.polcmd::text AS command, p.polpermissive AS permissive,
       ARRAY (SELECT CASE role WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(role)::text END
              FROM unnest(p.polroles) AS role ORDER BY 1) AS roles,
       pg_get_expr(p.polqual, p.polrelid) AS using_expression,
       pg_get_expr(p.polwithcheck, p.polrelid) AS check_expression, d.description AS comment
FROM unnest($1::oid[]) AS wanted (oid)
JOIN pg_policy p ON p.polrelid = wanted.oid
LEFT JOIN pg_description d ON d.objoid = p.oid AND d.classoid = 'pg_policy'::regclass AND d.objsubid = 0
ORDER BY p.polrelid, p.polname
