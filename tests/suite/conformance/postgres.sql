CREATE TABLE customers (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email text NOT NULL,
    name varchar(100),
    balance numeric(12, 2) NOT NULL DEFAULT 0,
    CONSTRAINT customers_email UNIQUE (email)
);
CREATE TABLE orders (
    id integer PRIMARY KEY,
    customer_id integer NOT NULL,
    placed_at date NOT NULL,
    total integer NOT NULL,
    total_with_tax integer GENERATED ALWAYS AS (total * 2) STORED,
    CONSTRAINT orders_total_positive CHECK (total > 0),
    CONSTRAINT orders_customer FOREIGN KEY (customer_id) REFERENCES customers (id) ON DELETE CASCADE
);
CREATE INDEX orders_by_customer ON orders (customer_id, placed_at DESC);
CREATE INDEX orders_large ON orders (total) WHERE total > 100;
CREATE INDEX customers_lower_email ON customers (lower(email));
CREATE TABLE order_lines (
    order_id integer NOT NULL REFERENCES orders (id),
    line integer NOT NULL,
    article text NOT NULL,
    quantity integer NOT NULL DEFAULT 1,
    PRIMARY KEY (order_id, line)
);
CREATE TABLE departments (id integer PRIMARY KEY, name text NOT NULL, head_id integer);
CREATE TABLE employees (
    id serial PRIMARY KEY, name text NOT NULL, department_id integer REFERENCES departments (id)
);
ALTER TABLE departments
    ADD CONSTRAINT departments_head FOREIGN KEY (head_id) REFERENCES employees (id) DEFERRABLE INITIALLY DEFERRED;
CREATE TYPE mood AS ENUM ('sad', 'fine');
CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
CREATE TABLE all_types (
    id integer PRIMARY KEY,
    a_smallint smallint, a_bigint bigint, a_real real, a_double double precision, a_numeric numeric, a_money money,
    a_boolean boolean, a_char char(3), a_varchar varchar(20), a_text text, a_bytea bytea, a_date date, a_time time,
    a_timestamp timestamp, a_timestamptz timestamptz, an_interval interval, a_uuid uuid, a_json json, a_jsonb jsonb,
    an_array integer[], an_inet inet, a_range int4range, a_mood mood, a_positive positive, a_point point, a_bit bit(4),
    an_xml xml, a_vector tsvector
);
CREATE TABLE "Größen und ""Maße""" ("Länge in cm" real, "select" text, 名前 text);
CREATE TABLE empty_table (id integer PRIMARY KEY, note text);
CREATE TABLE no_key (a integer, b text);
CREATE TABLE audit (id bigserial PRIMARY KEY, message text NOT NULL);
CREATE TABLE defaults (
    id integer PRIMARY KEY, made timestamptz DEFAULT now(), text text DEFAULT 'it''s', expr integer DEFAULT (1 + 1)
);
CREATE TABLE composite_parent (a integer, b integer, PRIMARY KEY (a, b));
CREATE TABLE composite_child (
    a integer, b integer, FOREIGN KEY (a, b) REFERENCES composite_parent (a, b) ON UPDATE CASCADE ON DELETE SET NULL
);
CREATE TABLE tree (id integer PRIMARY KEY, parent_id integer REFERENCES tree (id));
CREATE TABLE tags (name text COLLATE "C" PRIMARY KEY);
CREATE TABLE settings (key text PRIMARY KEY, value text);
CREATE TABLE wide (c01 int, c02 int, c03 int, c04 int, c05 int, c06 int, c07 int, c08 int, c09 int, c10 int, c11 int);
CREATE TABLE articles (id integer PRIMARY KEY, title text, body text);
CREATE INDEX articles_text ON articles USING gin (to_tsvector('english', body));
CREATE TABLE numbers (n integer PRIMARY KEY, square integer);
COMMENT ON TABLE numbers IS 'squares; ''quoted''';
CREATE VIEW order_totals AS SELECT customer_id, sum(total) AS total FROM orders GROUP BY customer_id;
CREATE MATERIALIZED VIEW order_count AS SELECT count(*) AS orders FROM orders;
CREATE FUNCTION audit_order() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    INSERT INTO audit (message) VALUES ('order; ' || NEW.id);
    RETURN NEW;
END
$body$;
CREATE TRIGGER orders_audit AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION audit_order();
CREATE FUNCTION twice(n integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT n * 2';

INSERT INTO customers (email, name, balance) VALUES
    ('ada@example.com', 'Ada', 10.5), ('zoë@example.com', 'Zoë 🦆', -3), ('none@example.com', NULL, 0);
INSERT INTO orders (id, customer_id, placed_at, total) VALUES
    (1, 1, '2024-02-29', 250), (2, 1, '2024-03-01', 5), (3, 2, '2024-03-02', 99);
INSERT INTO order_lines VALUES (1, 1, 'chair', 2), (1, 2, 'table', 1), (2, 1, 'lamp', 1);
INSERT INTO departments (id, name) VALUES (1, 'Research');
INSERT INTO employees (name, department_id) VALUES ('Grace', 1), ('Edsger', NULL);
UPDATE departments SET head_id = 1;
INSERT INTO all_types VALUES
    (1, -32768, 9223372036854775807, 1.5, 1.5e300, 12345678901234567890.5, 1.25, true, 'abc', 'short', 'text',
     '\x00ff0a27', '2024-02-29', '12:00', '2024-02-29 12:00', '2024-02-29 12:00+02', '1 day 2 hours',
     '00000000-0000-0000-0000-000000000001', '{"a": 1}', '{"b": [1, null]}', '{1,NULL,3}', '10.0.0.1/8', '[1,5)', 'fine', 7,
     '(1,2)', B'1010', '<a/>', to_tsvector('english', 'ducks quack')),
    (2, NULL, NULL, 'NaN', 'Infinity', 'NaN', NULL, false, '', '', E'line\nbreak\\t', '\x', 'infinity', NULL, NULL, NULL, NULL,
     NULL, NULL, NULL, '{}', NULL, 'empty', NULL, NULL, NULL, NULL, NULL, NULL),
    (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
     NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO "Größen und ""Maße""" VALUES (1.5, 'it''s; --', '日本語'), (NULL, NULL, NULL);
INSERT INTO no_key VALUES (1, 'same'), (1, 'same');
INSERT INTO defaults (id, made) VALUES (1, '2024-01-01');
INSERT INTO composite_parent VALUES (1, 2);
INSERT INTO composite_child VALUES (1, 2), (NULL, NULL);
INSERT INTO tree VALUES (1, NULL), (2, 1), (3, 2);
INSERT INTO tags VALUES ('Red'), ('green');
INSERT INTO settings VALUES ('a', '1');
INSERT INTO wide (c01, c11) VALUES (1, 11);
INSERT INTO articles VALUES (1, 'Ducks', 'they quack');
INSERT INTO numbers SELECT n, n * n FROM generate_series(1, 5000) AS n;
REFRESH MATERIALIZED VIEW order_count;
