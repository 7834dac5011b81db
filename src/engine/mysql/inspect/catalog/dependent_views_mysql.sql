-- What views read, from the dictionary (MySQL 8.0.13).
SELECT VIEW_SCHEMA, VIEW_NAME
FROM information_schema.VIEW_TABLE_USAGE
WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?
