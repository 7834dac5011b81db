-- One row a part of an index, on servers that have neither expressions in indexes nor indexes that are not used:
-- MariaDB before 10.6 and MySQL before 8.0.
SELECT TABLE_NAME, INDEX_NAME, CAST(SEQ_IN_INDEX AS SIGNED), CAST(NON_UNIQUE AS SIGNED), INDEX_TYPE, COLUMN_NAME,
       COLLATION, CAST(SUB_PART AS SIGNED), NULL, 'NO', INDEX_COMMENT, COMMENT
FROM information_schema.STATISTICS
WHERE TABLE_SCHEMA = ?
