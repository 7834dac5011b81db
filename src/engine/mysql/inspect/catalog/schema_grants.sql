-- As for tables; the name of the database may be a pattern of LIKE in a grant.
SELECT TABLE_SCHEMA, GRANTEE, PRIVILEGE_TYPE, IS_GRANTABLE, ''
FROM information_schema.SCHEMA_PRIVILEGES
WHERE ? LIKE TABLE_SCHEMA
