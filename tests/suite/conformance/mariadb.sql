CREATE TABLE customers (
    id INT AUTO_INCREMENT PRIMARY KEY,
    email VARCHAR(200) NOT NULL,
    name VARCHAR(100),
    balance DECIMAL(12, 2) NOT NULL DEFAULT 0,
    CONSTRAINT customers_email UNIQUE (email)
);
CREATE TABLE orders (
    id INT PRIMARY KEY,
    customer_id INT NOT NULL,
    placed_at DATE NOT NULL,
    total INT NOT NULL,
    total_with_tax INT GENERATED ALWAYS AS (total * 2) STORED,
    CONSTRAINT orders_total_positive CHECK (total > 0),
    CONSTRAINT orders_customer FOREIGN KEY (customer_id) REFERENCES customers (id) ON DELETE CASCADE,
    INDEX orders_by_customer (customer_id, placed_at DESC)
);
CREATE TABLE order_lines (
    order_id INT NOT NULL,
    line INT NOT NULL,
    article VARCHAR(50) NOT NULL,
    quantity INT NOT NULL DEFAULT 1,
    PRIMARY KEY (order_id, line),
    FOREIGN KEY (order_id) REFERENCES orders (id)
);
CREATE TABLE departments (id INT PRIMARY KEY, name VARCHAR(50) NOT NULL, head_id INT);
CREATE TABLE employees (
    id INT PRIMARY KEY, name VARCHAR(50) NOT NULL, department_id INT,
    CONSTRAINT employees_department FOREIGN KEY (department_id) REFERENCES departments (id)
);
ALTER TABLE departments ADD CONSTRAINT departments_head FOREIGN KEY (head_id) REFERENCES employees (id);
CREATE TABLE all_types (
    id INT PRIMARY KEY,
    a_tiny TINYINT, a_unsigned BIGINT UNSIGNED, a_big BIGINT, a_float FLOAT, a_double DOUBLE, a_decimal DECIMAL(30, 10),
    a_bit BIT(4), a_char CHAR(3), a_varchar VARCHAR(20), a_text TEXT, a_binary VARBINARY(10), a_blob BLOB,
    an_enum ENUM('sad', 'fine'), a_set SET('a', 'b'), a_date DATE, a_time TIME(6), a_datetime DATETIME(6),
    a_timestamp TIMESTAMP NULL, a_year YEAR, a_json JSON, a_point POINT, an_inet INET6, a_uuid UUID
);
CREATE TABLE `Größen und "Maße"` (`Länge in cm` FLOAT, `select` TEXT, `名前` TEXT);
CREATE TABLE empty_table (id INT PRIMARY KEY, note TEXT);
CREATE TABLE no_key (a INT, b TEXT);
CREATE TABLE audit (id BIGINT AUTO_INCREMENT PRIMARY KEY, message TEXT NOT NULL);
CREATE TABLE defaults (
    id INT PRIMARY KEY, made DATETIME DEFAULT CURRENT_TIMESTAMP, text VARCHAR(20) DEFAULT 'it''s', expr INT DEFAULT (1 + 1)
);
CREATE TABLE composite_parent (a INT, b INT, PRIMARY KEY (a, b));
CREATE TABLE composite_child (
    a INT, b INT, FOREIGN KEY (a, b) REFERENCES composite_parent (a, b) ON UPDATE CASCADE ON DELETE SET NULL
);
CREATE TABLE tree (id INT PRIMARY KEY, parent_id INT, FOREIGN KEY (parent_id) REFERENCES tree (id));
CREATE TABLE tags (name VARCHAR(50) COLLATE utf8mb4_bin PRIMARY KEY);
CREATE TABLE settings (`key` VARCHAR(50) PRIMARY KEY, value TEXT) COMMENT 'it''s a comment';
CREATE TABLE wide (c01 INT, c02 INT, c03 INT, c04 INT, c05 INT, c06 INT, c07 INT, c08 INT, c09 INT, c10 INT, c11 INT);
CREATE TABLE articles (id INT PRIMARY KEY, title VARCHAR(200), body TEXT, FULLTEXT articles_text (title, body));
CREATE TABLE numbers (n INT PRIMARY KEY, square INT AS (n * n) VIRTUAL);
CREATE VIEW order_totals AS SELECT customer_id, sum(total) AS total FROM orders GROUP BY customer_id;
DELIMITER //
CREATE TRIGGER orders_audit AFTER INSERT ON orders FOR EACH ROW
BEGIN
    INSERT INTO audit (message) VALUES (concat('order; ', NEW.id));
END//
CREATE FUNCTION twice(n INT) RETURNS INT DETERMINISTIC
BEGIN
    RETURN n * 2;
END//
DELIMITER ;

INSERT INTO customers (email, name, balance) VALUES
    ('ada@example.com', 'Ada', 10.5), ('zoë@example.com', 'Zoë 🦆', -3), ('none@example.com', NULL, 0);
INSERT INTO orders (id, customer_id, placed_at, total) VALUES
    (1, 1, '2024-02-29', 250), (2, 1, '2024-03-01', 5), (3, 2, '2024-03-02', 99);
INSERT INTO order_lines VALUES (1, 1, 'chair', 2), (1, 2, 'table', 1), (2, 1, 'lamp', 1);
INSERT INTO departments (id, name) VALUES (1, 'Research');
INSERT INTO employees VALUES (1, 'Grace', 1), (2, 'Edsger', NULL);
UPDATE departments SET head_id = 1;
INSERT INTO all_types VALUES
    (1, -128, 18446744073709551615, -9223372036854775808, 1.5, 1.5e300, 12345678901234567890.5, b'1010', 'abc', 'short',
     'text', x'00ff0a27', x'00ff0a275c', 'fine', 'a,b', '2024-02-29', '-100:00:00.000001', '2024-02-29 12:00:00.123456',
     '2024-02-29 12:00:00', 2024, '{"a": [1, null]}', POINT(1, 2), '::1', '00000000-0000-0000-0000-000000000001'),
    (2, NULL, 0, NULL, NULL, NULL, NULL, NULL, '', '', 'line\nbreak\\t', '', '', NULL, '', NULL, NULL, NULL, NULL, NULL, NULL,
     NULL, NULL, NULL);
INSERT INTO `Größen und "Maße"` VALUES (1.5, 'it''s; --', '日本語'), (NULL, NULL, NULL);
INSERT INTO no_key VALUES (1, 'same'), (1, 'same');
INSERT INTO defaults (id, made) VALUES (1, '2024-01-01');
INSERT INTO composite_parent VALUES (1, 2);
INSERT INTO composite_child VALUES (1, 2), (NULL, NULL);
INSERT INTO tree VALUES (1, NULL), (2, 1), (3, 2);
INSERT INTO tags VALUES ('Red'), ('green');
INSERT INTO settings VALUES ('a', '1');
INSERT INTO wide (c01, c11) VALUES (1, 11);
INSERT INTO articles VALUES (1, 'Ducks', 'they quack');
INSERT INTO numbers (n) SELECT seq FROM seq_1_to_5000;
