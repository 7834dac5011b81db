-- The last numbers of some tables (a JSON array of names): one pass over a table with a row for each that counts. Anybody
-- may write it, so that it can hold what is no number.
SELECT q.name, CAST(q.seq AS INTEGER)
FROM sqlite_sequence AS q
WHERE q.name COLLATE NOCASE IN (SELECT n.value FROM json_each(?1) AS n) AND q.seq IS NOT NULL
