-- Indexes of some tables (a JSON array of names) with their parts in order; cid is -2 where a part is an expression and
-- -1 where it is the rowid. Costs what those tables have.
SELECT n.value, i.name, i."unique", i.origin, x.cid, x.name, x."desc", x.coll
FROM json_each(?1) AS n
JOIN pragma_index_list(n.value, 'main') AS i
JOIN pragma_index_xinfo(i.name, 'main') AS x
WHERE x.key = 1
ORDER BY n.key, i.name COLLATE BINARY, x.seqno
