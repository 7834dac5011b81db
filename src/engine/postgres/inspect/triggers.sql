-- Triggers of the relations $1, those of constraints left out. PostgreSQL 13 to 18.
SELECT t.tgrelid, t.tgname::text, pg_get_triggerdef(t.oid)
FROM unnest($1::oid[]) AS wanted (oid)
JOIN pg_trigger t ON t.tgrelid = wanted.oid AND NOT t.tgisinternal
ORDER BY t.tgrelid, t.tgname
