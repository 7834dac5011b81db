-- Foreign keys of some tables (a JSON array of names). The id counts down from the first that was declared, and a
-- reference without columns means the primary key of the other table. Costs what those tables have.
SELECT
    n.value, f.id, f."table", f."from",
    coalesce(f."to", (SELECT p.name FROM pragma_table_info(f."table", 'main') AS p WHERE p.pk = f.seq + 1)),
    f.on_update, f.on_delete
FROM json_each(?1) AS n
JOIN pragma_foreign_key_list(n.value, 'main') AS f
ORDER BY n.key, f.id DESC, f.seq
