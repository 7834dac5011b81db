-- One row a part of an index, with its expression. An invisible index is kept up and not used (MySQL 8.0.13).
SELECT TABLE_NAME, INDEX_NAME, CAST(SEQ_IN_INDEX AS SIGNED), CAST(NON_UNIQUE AS SIGNED), INDEX_TYPE, COLUMN_NAME,
       COLLATION, CAST(SUB_PART AS SIGNED), EXPRESSION, IF(IS_VISIBLE = 'NO', 'YES', 'NO')
FROM information_schema.STATISTICS
WHERE TABLE_SCHEMA = ?
