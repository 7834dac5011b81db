-- Schemas $1 with the privileges that objects made later are granted in them, by the index of pg_default_acl.
-- PostgreSQL 13 to 18.
SELECT n.oid, ARRAY (
           SELECT format('FOR ROLE %I GRANT %s ON %s TO %s%s', pg_get_userbyid(d.defaclrole), g.privilege_type,
                         CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS'
                                              WHEN 'T' THEN 'TYPES' WHEN 'n' THEN 'SCHEMAS' ELSE d.defaclobjtype::text END,
                         CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END,
                         CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
           FROM pg_default_acl d CROSS JOIN aclexplode(d.defaclacl) AS g
           WHERE d.defaclnamespace = n.oid ORDER BY 1) AS default_privileges
FROM unnest($1::oid[]) AS wanted (oid)
JOIN pg_namespace n ON n.oid = wanted.oid
