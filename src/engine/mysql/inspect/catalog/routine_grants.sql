-- Privileges on routines, which information_schema does not have. Needs SELECT on mysql.*.
SELECT Routine_name, CONCAT('''', User, '''@''', Host, ''''), Proc_priv, Routine_type, Grantor
FROM mysql.procs_priv
WHERE Db = ?
