-- Every trigger in the order in which those of the same time and event fire, which is that in which they were made; as triggers.sql, with the
-- character set of each text.
SELECT EVENT_OBJECT_TABLE, TRIGGER_NAME, ACTION_TIMING, EVENT_MANIPULATION, ACTION_STATEMENT, CAST(ACTION_ORDER AS SIGNED),
       DEFINER, SQL_MODE, CHARACTER_SET_CLIENT, COLLATION_CONNECTION
FROM information_schema.TRIGGERS
WHERE EVENT_OBJECT_SCHEMA = ?
ORDER BY EVENT_OBJECT_TABLE, ACTION_TIMING, EVENT_MANIPULATION, ACTION_ORDER, TRIGGER_NAME
