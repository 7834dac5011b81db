-- What needs an order, what has none, and names that are hard to write.
CREATE SCHEMA "Sch ema.""x"" 😀";
CREATE SCHEMA "select";
COMMENT ON SCHEMA public IS 'not the standard one';
CREATE TYPE "Sch ema.""x"" 😀"."order" AS ENUM ('a''b', 'c\d');
CREATE TABLE "Sch ema.""x"" 😀"."a b.c""d" (
    "select" "Sch ema.""x"" 😀"."order" DEFAULT 'c\d', "from" text COLLATE "C" DEFAULT 'it''s \ "it"',
    xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx integer PRIMARY KEY,
    "Größe 😀" integer[][] CHECK ("Größe 😀" IS NOT NULL)
);
CREATE INDEX "index ""1""" ON "Sch ema.""x"" 😀"."a b.c""d" ("from" COLLATE "POSIX", lower("from"));
COMMENT ON COLUMN "Sch ema.""x"" 😀"."a b.c""d"."select" IS E'two\nlines \\ and ''quotes''';
CREATE VIEW "select"."table" AS SELECT "select", "from" FROM "Sch ema.""x"" 😀"."a b.c""d";
CREATE FUNCTION "select"."Do It"("In" text, "Sch ema.""x"" 😀"."order") RETURNS text LANGUAGE sql AS $_$ SELECT '$$;' || $1 $_$;

CREATE TABLE keyed (id integer PRIMARY KEY, name text, other integer);
CREATE TABLE mutual (id integer PRIMARY KEY, keyed integer REFERENCES keyed DEFERRABLE);
ALTER TABLE keyed ADD CONSTRAINT to_mutual FOREIGN KEY (other) REFERENCES mutual;
CREATE VIEW grouped AS SELECT id, name, count(*) AS n FROM keyed GROUP BY id;
CREATE VIEW a_first AS SELECT * FROM grouped;
CREATE VIEW one AS SELECT 1 AS x, 'a'::text COLLATE "C" AS y;
CREATE VIEW two AS SELECT x, y FROM one;
CREATE OR REPLACE VIEW one AS SELECT x, y FROM two;
COMMENT ON VIEW one IS 'a circle';
ALTER VIEW two ALTER COLUMN x SET DEFAULT 5;

CREATE TABLE own (id integer, note text);
CREATE FUNCTION next_of() RETURNS integer LANGUAGE sql BEGIN ATOMIC SELECT coalesce(max(id), 0) + 1 FROM own; END;
ALTER TABLE own ALTER id SET DEFAULT next_of();
CREATE FUNCTION is_good(own) RETURNS boolean LANGUAGE sql IMMUTABLE RETURN ($1).id > 0;
ALTER TABLE own ADD CONSTRAINT good CHECK (is_good(own.*));
COMMENT ON CONSTRAINT good ON own IS 'by a function of the row';
CREATE FUNCTION from_view() RETURNS SETOF a_first LANGUAGE sql BEGIN ATOMIC SELECT * FROM a_first; END;
CREATE VIEW a_a_over_function AS SELECT id FROM from_view();
CREATE MATERIALIZED VIEW z_base AS SELECT id FROM keyed WITH NO DATA;
CREATE UNIQUE INDEX z_base_id ON z_base (id);
REFRESH MATERIALIZED VIEW z_base;
CREATE MATERIALIZED VIEW a_over AS SELECT count(*) AS n FROM z_base;
CREATE MATERIALIZED VIEW not_filled AS SELECT n FROM a_over WITH NO DATA;

CREATE DOMAIN small AS integer CHECK (VALUE < 10);
COMMENT ON CONSTRAINT small_check ON DOMAIN small IS 'less than ten';
CREATE DOMAIN smaller AS small DEFAULT 3;
CREATE DOMAIN code AS text COLLATE "C" NOT NULL;
CREATE TYPE pair AS (one small, many smaller[]);
CREATE TYPE text_range AS RANGE (subtype = text, subtype_opclass = text_pattern_ops, collation = "C", multirange_type_name = text_ranges);
CREATE AGGREGATE total(integer) (SFUNC = int4pl, STYPE = integer, INITCOND = '0', MSFUNC = int4pl, MINVFUNC = int4mi, MSTYPE = integer,
    MINITCOND = '0', PARALLEL = RESTRICTED);
CREATE AGGREGATE tally(*) (SFUNC = int8inc, STYPE = bigint, INITCOND = '0');
CREATE AGGREGATE middle(double precision ORDER BY double precision) (SFUNC = ordered_set_transition, STYPE = internal,
    FINALFUNC = percentile_cont_float8_final, FINALFUNC_MODIFY = SHAREABLE);
COMMENT ON AGGREGATE middle(double precision ORDER BY double precision) IS 'of a set';
COMMENT ON AGGREGATE tally(*) IS 'of rows';
CREATE UNLOGGED SEQUENCE fast;

CREATE TABLE part (a integer, b text DEFAULT 'p', c integer) PARTITION BY LIST (a);
CREATE TABLE part_1 (c integer, b text DEFAULT 'own', a integer CONSTRAINT a_positive CHECK (a > 0));
ALTER TABLE part ATTACH PARTITION part_1 FOR VALUES IN (1);
CREATE TABLE part_2 PARTITION OF part (b DEFAULT 'two', c NOT NULL, CONSTRAINT c_small CHECK (c < 10)) FOR VALUES IN (2) WITH (fillfactor = 50);
CREATE TABLE part_3 PARTITION OF part FOR VALUES IN (3) PARTITION BY RANGE (c);
CREATE TABLE part_3_1 PARTITION OF part_3 FOR VALUES FROM (MINVALUE) TO (5);
ALTER TABLE part_2 ALTER COLUMN b DROP DEFAULT;
ALTER TABLE part ADD CONSTRAINT part_all CHECK (b <> '');
ALTER TABLE part ADD PRIMARY KEY (a, c);
ALTER TABLE part ADD CONSTRAINT part_keyed FOREIGN KEY (c) REFERENCES keyed ON DELETE CASCADE;
CREATE INDEX part_b ON part (b);
CREATE INDEX part_2_own ON part_2 (c DESC);
COMMENT ON INDEX part_b IS 'of all parts';
CREATE TABLE to_part (a integer, c integer, FOREIGN KEY (a, c) REFERENCES part);
CREATE FUNCTION touched() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER touch AFTER INSERT ON part FOR EACH ROW EXECUTE FUNCTION touched();
ALTER TABLE part_2 DISABLE TRIGGER touch;
CREATE TRIGGER instead INSTEAD OF INSERT ON a_first FOR EACH ROW EXECUTE FUNCTION touched();
CREATE TABLE mother (x integer DEFAULT 1, y integer, s text, CONSTRAINT y_up CHECK (y > 0));
ALTER TABLE mother ALTER COLUMN s SET STORAGE EXTERNAL;
CREATE TABLE daughter (z integer, y integer, CONSTRAINT y_up CHECK (y > 0)) INHERITS (mother);
ALTER TABLE daughter ALTER x SET DEFAULT 2, ALTER s SET NOT NULL, ALTER s SET STORAGE MAIN;
CREATE TABLE granddaughter () INHERITS (daughter);
CREATE TABLE identified (a integer NOT NULL, b integer GENERATED ALWAYS AS IDENTITY, c "char", d interval DAY TO SECOND (3));
CREATE UNIQUE INDEX identified_by ON identified (a);
ALTER TABLE identified REPLICA IDENTITY USING INDEX identified_by;
COMMENT ON SEQUENCE identified_b_seq IS 'of b';
CREATE RULE quiet AS ON INSERT TO mutual DO ALSO NOTHING;
ALTER TABLE mutual DISABLE RULE quiet;
