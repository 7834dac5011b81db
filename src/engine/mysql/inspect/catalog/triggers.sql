-- Needs the privilege TRIGGER on the table; without it the rows are missing, not the query refused.
SELECT EVENT_OBJECT_TABLE, TRIGGER_NAME, ACTION_TIMING, EVENT_MANIPULATION, ACTION_STATEMENT, CAST(ACTION_ORDER AS SIGNED),
       DEFINER, SQL_MODE
FROM information_schema.TRIGGERS
WHERE EVENT_OBJECT_SCHEMA = ?
