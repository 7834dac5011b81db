-- Rows by the last ANALYZE. A partial index has fewer rows than its table, so that the largest figure counts.
SELECT tbl, max(CAST(stat AS INTEGER)) FROM sqlite_stat1 GROUP BY tbl
