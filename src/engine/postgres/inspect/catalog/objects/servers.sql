-- Foreign servers $1 and who has a mapping; what mappings hold is never read. PostgreSQL 13 to 18.
SELECT s.oid, w.fdwname::text AS wrapper, s.srvtype AS server_type, s.srvversion AS version, s.srvoptions AS options,
       ARRAY (SELECT CASE m.umuser WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(m.umuser)::text END
              FROM pg_user_mappings m WHERE m.srvid = s.oid ORDER BY 1) AS mapped_users
FROM unnest($1::oid[]) AS wanted (oid)
JOIN pg_foreign_server s ON s.oid = wanted.oid
JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw
