-- The database in one row; nothing of it reads table pages.
SELECT
    (SELECT encoding FROM pragma_encoding),
    (SELECT page_count FROM pragma_page_count) * (SELECT page_size FROM pragma_page_size),
    (SELECT count(*) FROM pragma_table_list AS l
        WHERE l.schema = 'main' AND l.type IN ('table', 'virtual') AND substr(l.name, 1, 7) <> 'sqlite_'),
    (SELECT count(*) FROM sqlite_schema WHERE type = 'view'),
    (SELECT count(*) FROM sqlite_schema WHERE type = 'index')
