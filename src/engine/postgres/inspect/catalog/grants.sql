-- Privileges on the relations $1 and on their columns. Where nobody ever granted or revoked one, the catalog has none.
-- By the indexes of pg_class and pg_attribute. PostgreSQL 13 to 18.
SELECT acl.relation, acl.column_name, CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(g.grantee)::text END AS grantee,
       pg_get_userbyid(g.grantor)::text AS grantor, g.privilege_type AS privilege, g.is_grantable AS grantable
FROM (
    SELECT c.oid AS relation, '' AS column_name, c.relacl AS acl
    FROM unnest($1::oid[]) AS wanted (oid)
    CROSS JOIN LATERAL (SELECT oid, relacl FROM pg_class WHERE pg_class.oid = wanted.oid OFFSET 0) c
    WHERE c.relacl IS NOT NULL
    UNION ALL
    SELECT a.attrelid, a.attname::text, a.attacl
    FROM unnest($1::oid[]) AS wanted (oid)
    CROSS JOIN LATERAL (SELECT * FROM pg_attribute WHERE attrelid = wanted.oid OFFSET 0) a
    WHERE a.attacl IS NOT NULL AND NOT a.attisdropped
) AS acl
CROSS JOIN aclexplode(acl.acl) AS g
