-- Owner, comment and privileges of the objects $2 of the catalogs $1, which share a place in both arrays. Types, sequences,
-- functions, servers and schemas have privileges. By the index of each catalog on its oid. PostgreSQL 13 to 18.
SELECT o.class, o.oid, pg_get_userbyid(o.owner)::text AS owner, d.description AS comment,
       CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(g.grantee)::text END AS grantee,
       pg_get_userbyid(g.grantor)::text AS grantor, g.privilege_type AS privilege, g.is_grantable AS grantable
FROM (
    SELECT w.*, t.typowner AS owner, t.typacl AS acl FROM unnest($1::text[], $2::oid[]) AS w (class, oid)
    JOIN pg_type t ON w.class = 'pg_type' AND t.oid = w.oid
    UNION ALL SELECT w.*, t.relowner, t.relacl FROM unnest($1::text[], $2::oid[]) AS w (class, oid)
    JOIN pg_class t ON w.class = 'pg_class' AND t.oid = w.oid
    UNION ALL SELECT w.*, t.proowner, t.proacl FROM unnest($1::text[], $2::oid[]) AS w (class, oid)
    JOIN pg_proc t ON w.class = 'pg_proc' AND t.oid = w.oid
    UNION ALL SELECT w.*, t.srvowner, t.srvacl FROM unnest($1::text[], $2::oid[]) AS w (class, oid)
    JOIN pg_foreign_server t ON w.class = 'pg_foreign_server' AND t.oid = w.oid
    UNION ALL SELECT w.*, t.nspowner, t.nspacl FROM unnest($1::text[], $2::oid[]) AS w (class, oid)
    JOIN pg_namespace t ON w.class = 'pg_namespace' AND t.oid = w.oid
    UNION ALL SELECT w.*, t.collowner, NULL FROM unnest($1::text[], $2::oid[]) AS w (class, oid)
    JOIN pg_collation t ON w.class = 'pg_collation' AND t.oid = w.oid
    UNION ALL SELECT w.*, t.pubowner, NULL FROM unnest($1::text[], $2::oid[]) AS w (class, oid)
    JOIN pg_publication t ON w.class = 'pg_publication' AND t.oid = w.oid
    UNION ALL SELECT w.*, t.extowner, NULL FROM unnest($1::text[], $2::oid[]) AS w (class, oid)
    JOIN pg_extension t ON w.class = 'pg_extension' AND t.oid = w.oid
) AS o
LEFT JOIN pg_description d ON d.objoid = o.oid AND d.classoid = o.class::regclass AND d.objsubid = 0
LEFT JOIN LATERAL aclexplode(o.acl) AS g ON true
