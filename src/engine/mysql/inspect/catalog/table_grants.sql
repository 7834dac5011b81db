-- Read from the grant tables in memory. A user sees its own, and those of all with SELECT on mysql.*.
SELECT TABLE_NAME, GRANTEE, PRIVILEGE_TYPE, IS_GRANTABLE, ''
FROM information_schema.TABLE_PRIVILEGES
WHERE TABLE_SCHEMA = ?
