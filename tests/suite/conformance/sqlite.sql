CREATE TABLE customers (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    email TEXT NOT NULL,
    name TEXT,
    balance NUMERIC NOT NULL DEFAULT 0,
    CONSTRAINT customers_email UNIQUE (email)
);
CREATE TABLE orders (
    id INTEGER PRIMARY KEY,
    customer_id INTEGER NOT NULL,
    placed_at TEXT NOT NULL,
    total INTEGER NOT NULL,
    total_with_tax INTEGER GENERATED ALWAYS AS (total * 2) STORED,
    CONSTRAINT orders_total_positive CHECK (total > 0),
    CONSTRAINT orders_customer FOREIGN KEY (customer_id) REFERENCES customers (id) ON DELETE CASCADE
);
CREATE INDEX orders_by_customer ON orders (customer_id, placed_at DESC);
CREATE INDEX orders_large ON orders (total) WHERE total > 100;
CREATE INDEX customers_lower_email ON customers (lower(email));
CREATE TABLE order_lines (
    order_id INTEGER NOT NULL REFERENCES orders (id),
    line INTEGER NOT NULL,
    article TEXT NOT NULL,
    quantity INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY (order_id, line)
) WITHOUT ROWID;
CREATE TABLE departments (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    head_id INTEGER REFERENCES employees (id) DEFERRABLE INITIALLY DEFERRED
);
CREATE TABLE employees (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    department_id INTEGER REFERENCES departments (id)
);
CREATE TABLE all_types (
    id INTEGER PRIMARY KEY,
    an_integer INTEGER, a_real REAL, a_numeric NUMERIC, a_decimal DECIMAL(10, 2), a_boolean BOOLEAN,
    a_text TEXT, a_varchar VARCHAR(20), a_blob BLOB, a_date DATE, a_moment DATETIME, a_json JSON, anything
);
CREATE TABLE strict_types (id INTEGER PRIMARY KEY, i INT, r REAL, t TEXT, b BLOB, a ANY) STRICT;
CREATE TABLE "Größen und ""Maße""" ("Länge in cm" REAL, "select" TEXT, 名前 TEXT);
CREATE TABLE empty_table (id INTEGER PRIMARY KEY, note TEXT);
CREATE TABLE no_key (a INTEGER, b TEXT);
CREATE TABLE audit (id INTEGER PRIMARY KEY, message TEXT NOT NULL);
CREATE TABLE defaults (
    id INTEGER PRIMARY KEY, made TEXT DEFAULT CURRENT_TIMESTAMP, text TEXT DEFAULT 'it''s', expr INTEGER DEFAULT (1 + 1)
);
CREATE TABLE composite_parent (a INTEGER, b INTEGER, PRIMARY KEY (a, b));
CREATE TABLE composite_child (
    a INTEGER, b INTEGER, FOREIGN KEY (a, b) REFERENCES composite_parent (a, b) ON UPDATE CASCADE ON DELETE SET NULL
);
CREATE TABLE tree (id INTEGER PRIMARY KEY, parent_id INTEGER REFERENCES tree (id));
CREATE TABLE tags (name TEXT COLLATE NOCASE PRIMARY KEY);
CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE wide (c01, c02, c03, c04, c05, c06, c07, c08, c09, c10, c11, c12, c13, c14, c15, c16);
CREATE TABLE articles (id INTEGER PRIMARY KEY, title TEXT, body TEXT);
CREATE VIRTUAL TABLE articles_text USING fts5(title, body);
CREATE TABLE numbers (n INTEGER PRIMARY KEY, square INTEGER AS (n * n) VIRTUAL);
CREATE VIEW order_totals AS SELECT customer_id, sum(total) AS total FROM orders GROUP BY customer_id;
CREATE TRIGGER orders_audit AFTER INSERT ON orders
BEGIN
    INSERT INTO audit (message) VALUES ('order; ' || new.id);
END;

INSERT INTO customers (email, name, balance) VALUES
    ('ada@example.com', 'Ada', 10.5), ('zoë@example.com', 'Zoë 🦆', -3), ('none@example.com', NULL, 0);
INSERT INTO orders (id, customer_id, placed_at, total) VALUES
    (1, 1, '2024-02-29', 250), (2, 1, '2024-03-01', 5), (3, 2, '2024-03-02', 99);
INSERT INTO order_lines VALUES (1, 1, 'chair', 2), (1, 2, 'table', 1), (2, 1, 'lamp', 1);
INSERT INTO departments (id, name) VALUES (1, 'Research');
INSERT INTO employees VALUES (1, 'Grace', 1), (2, 'Edsger', NULL);
UPDATE departments SET head_id = 1;
INSERT INTO all_types VALUES
    (1, 9223372036854775807, 1.5e300, 12345678901234567890.5, 10.25, 1, 'text', 'short', x'00ff0a27', '2024-02-29',
     '2024-02-29 12:00:00', '{"a": [1, null]}', 'x'),
    (2, -9223372036854775808, -0.0, NULL, NULL, 0, '', 'line
break', x'', NULL, NULL, NULL, x'01'),
    (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO strict_types VALUES (1, 1, 0.1, 't', x'00', 1), (2, NULL, NULL, NULL, NULL, 'one');
INSERT INTO "Größen und ""Maße""" VALUES (1.5, 'it''s; --', '日本語'), (NULL, NULL, NULL);
INSERT INTO no_key VALUES (1, 'same'), (1, 'same');
INSERT INTO defaults (id, made) VALUES (1, '2024-01-01');
INSERT INTO composite_parent VALUES (1, 2);
INSERT INTO composite_child VALUES (1, 2), (NULL, NULL);
INSERT INTO tree VALUES (1, NULL), (2, 1), (3, 2);
INSERT INTO tags VALUES ('Red'), ('green');
INSERT INTO settings VALUES ('a', '1');
INSERT INTO wide (c01, c16) VALUES (1, 16);
INSERT INTO articles VALUES (1, 'Ducks', 'they quack');
INSERT INTO articles_text VALUES ('Ducks', 'they quack');
WITH RECURSIVE counted(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < 5000)
INSERT INTO numbers (n) SELECT n FROM counted;
