-- Foreign keys of some tables (a JSON array of names). The id counts down from the first that was declared; a reference without
-- columns means the primary key of the other table, which primary_keys.sql tells. Costs what those tables have.
SELECT n.value, f.id, f.seq, f."table", f."from", f."to", f.on_update, f.on_delete
FROM json_each(?1) AS n
JOIN pragma_foreign_key_list(n.value, 'main') AS f
ORDER BY n.key, f.id DESC, f.seq
