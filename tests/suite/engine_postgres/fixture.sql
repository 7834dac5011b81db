-- A schema with everything that the inspection tells and a dump must bring back.
CREATE SCHEMA app;
CREATE TYPE app.mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN app.positive AS integer CHECK (VALUE > 0);
CREATE TABLE app.every_type (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    gone integer,
    label text NOT NULL DEFAULT 'it''s',
    amount numeric(12, 2) CONSTRAINT amount_positive CHECK (amount > 0),
    doubled numeric GENERATED ALWAYS AS (amount * 2) STORED,
    german text COLLATE "C",
    mood app.mood,
    counted app.positive,
    tags text[],
    flag boolean DEFAULT false,
    small smallint, real_number real, precise double precision,
    day date, moment timestamptz, span interval, clock time,
    body jsonb, raw bytea, key uuid, address inet
);
ALTER TABLE app.every_type DROP COLUMN gone;
COMMENT ON TABLE app.every_type IS 'all the types';
COMMENT ON COLUMN app.every_type.label IS 'Ünïcode ✓';
INSERT INTO app.every_type (label, amount, mood, counted, tags, raw, body, moment)
SELECT 'Zeile ' || n || ' 🐘', n, 'ok', n, ARRAY['a', NULL, 'ß'], '\x00ff'::bytea, '{"k": [1, null]}', '2024-02-29 12:00+00'
FROM generate_series(1, 50) AS n;
INSERT INTO app.every_type (label) VALUES ('');

CREATE TABLE app.cycle_left (a integer, b integer, right_id integer, PRIMARY KEY (a, b));
CREATE TABLE app.cycle_right (id integer PRIMARY KEY, left_a integer, left_b integer);
ALTER TABLE app.cycle_left ADD CONSTRAINT to_right FOREIGN KEY (right_id) REFERENCES app.cycle_right ON DELETE CASCADE
    DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE app.cycle_right ADD CONSTRAINT to_left FOREIGN KEY (left_a, left_b) REFERENCES app.cycle_left
    DEFERRABLE INITIALLY DEFERRED;
BEGIN;
INSERT INTO app.cycle_left VALUES (1, 2, 3);
INSERT INTO app.cycle_right VALUES (3, 1, 2);
COMMIT;

CREATE TABLE app.indexed (
    id integer PRIMARY KEY, name text, size integer, words tsvector, CONSTRAINT name_and_size UNIQUE (name, size));
CREATE INDEX indexed_lower ON app.indexed (lower(name));
CREATE INDEX indexed_mixed ON app.indexed (name DESC, (size + 1)) INCLUDE (id);
CREATE INDEX indexed_partial ON app.indexed (size) WHERE size > 10;
CREATE INDEX indexed_gin ON app.indexed USING gin (words);
CREATE FUNCTION app.touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.name := coalesce(NEW.name, ';'); RETURN NEW; END $$;
CREATE TRIGGER touch BEFORE INSERT ON app.indexed FOR EACH ROW EXECUTE FUNCTION app.touch();
INSERT INTO app.indexed SELECT n, 'name ' || n, n, to_tsvector('simple', 'word ' || n) FROM generate_series(1, 20) AS n;

CREATE TABLE app.part (day date NOT NULL, id integer NOT NULL, PRIMARY KEY (day, id)) PARTITION BY RANGE (day);
CREATE TABLE app.part_2024 PARTITION OF app.part FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE app.part_2025 PARTITION OF app.part FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
INSERT INTO app.part VALUES ('2024-05-05', 1), ('2025-05-05', 2);
CREATE TABLE app.refers_to_part (day date, id integer, FOREIGN KEY (day, id) REFERENCES app.part);

CREATE VIEW app."a view" AS SELECT id, upper(name) AS loud FROM app.indexed;
CREATE MATERIALIZED VIEW app.counts AS SELECT count(*) AS total FROM app.indexed;
CREATE TABLE public."Quoted ""Name""" ("Spalte ß" integer);
CREATE TABLE public.in_public (id integer);
