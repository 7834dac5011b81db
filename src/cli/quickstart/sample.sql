-- A small chain of bookshops. Every value follows from the row's number, so that each run makes the same rows.

CREATE TABLE publisher (
    id      INTEGER PRIMARY KEY,
    name    TEXT NOT NULL UNIQUE,
    country TEXT NOT NULL CHECK (length(country) = 2)
);

CREATE TABLE author (
    id         INTEGER PRIMARY KEY,
    name       TEXT NOT NULL,
    birth_year INTEGER
);

CREATE TABLE book (
    id           INTEGER PRIMARY KEY,
    isbn         TEXT NOT NULL UNIQUE,
    title        TEXT NOT NULL,
    publisher_id INTEGER NOT NULL REFERENCES publisher (id),
    price_cents  INTEGER NOT NULL CHECK (price_cents > 0),
    published    TEXT
);

CREATE TABLE book_author (
    book_id   INTEGER NOT NULL REFERENCES book (id) ON DELETE CASCADE,
    author_id INTEGER NOT NULL REFERENCES author (id),
    PRIMARY KEY (book_id, author_id)
) WITHOUT ROWID;

CREATE TABLE shop (
    id   INTEGER PRIMARY KEY,
    city TEXT NOT NULL UNIQUE
);

CREATE TABLE customer (
    id     INTEGER PRIMARY KEY,
    name   TEXT NOT NULL,
    email  TEXT NOT NULL UNIQUE,
    joined TEXT NOT NULL
);

CREATE TABLE purchase (
    id           INTEGER PRIMARY KEY,
    customer_id  INTEGER REFERENCES customer (id) ON DELETE SET NULL,
    shop_id      INTEGER NOT NULL REFERENCES shop (id),
    purchased_at TEXT NOT NULL
);

CREATE TABLE purchase_line (
    purchase_id INTEGER NOT NULL REFERENCES purchase (id) ON DELETE CASCADE,
    line        INTEGER NOT NULL,
    book_id     INTEGER NOT NULL REFERENCES book (id),
    quantity    INTEGER NOT NULL DEFAULT 1 CHECK (quantity > 0),
    price_cents INTEGER NOT NULL,
    total_cents INTEGER GENERATED ALWAYS AS (quantity * price_cents) STORED,
    PRIMARY KEY (purchase_id, line)
);

CREATE INDEX book_publisher ON book (publisher_id);
CREATE INDEX purchase_customer ON purchase (customer_id) WHERE customer_id IS NOT NULL;
CREATE INDEX purchase_line_book ON purchase_line (book_id);
CREATE INDEX customer_name ON customer (lower(name));

CREATE VIEW bestseller AS
SELECT book.title, sum(purchase_line.quantity) AS copies
FROM purchase_line
JOIN book ON book.id = purchase_line.book_id
GROUP BY book.id;

INSERT INTO publisher (id, name, country) VALUES
    (1, 'Rowan & Finch', 'GB'), (2, 'Éditions du Phare', 'FR'), (3, 'Bärenhaus', 'DE'), (4, 'Æther Forlag', 'DK'),
    (5, 'Луна', 'UA'), (6, '青空書房', 'JP'), (7, 'دار النخيل', 'EG'), (8, 'Niño y Luna', 'MX');

INSERT INTO shop (id, city) VALUES
    (1, 'Zürich'), (2, 'København'), (3, 'Łódź'), (4, 'Porto'), (5, 'Cork'), (6, '京都');

WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 120)
INSERT INTO author (id, name, birth_year)
SELECT
    n,
    json_extract('["Ada","Björn","Chloé","Dmytro","Etsuko","Fátima","Göran","Hana"]', '$[' || (n % 8) || ']')
        || ' '
        || json_extract('["Ackermann","Bruun","Çelik","Dąbrowski","Espinoza","Førde","García"]', '$[' || (n % 7) || ']'),
    CASE WHEN n % 9 = 0 THEN NULL ELSE 1920 + (n * 7) % 85 END
FROM number;

WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 400)
INSERT INTO book (id, isbn, title, publisher_id, price_cents, published)
SELECT
    n,
    printf('978-0-%05d-%03d', n * 37, n % 1000),
    json_extract('["The Salt","A Quiet","Über die","Le Petit","Последний","静かな"]', '$[' || (n % 6) || ']')
        || ' '
        || json_extract('["Harbour","Atlas","Garden","Winter","Café"]', '$[' || (n % 5) || ']')
        || ' '
        || n,
    1 + n % 8,
    799 + (n * 131) % 3200,
    CASE WHEN n % 11 = 0 THEN NULL ELSE date('1990-01-01', (n * 29) || ' days') END
FROM number;

INSERT INTO book_author (book_id, author_id) SELECT id, 1 + (id * 13) % 120 FROM book;
INSERT OR IGNORE INTO book_author (book_id, author_id) SELECT id, 1 + (id * 29) % 120 FROM book WHERE id % 4 = 0;

WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 900)
INSERT INTO customer (id, name, email, joined)
SELECT
    n,
    json_extract('["Zoë","Mikołaj","Íris","Søren","Renée","José","Анна","美咲"]', '$[' || (n % 8) || ']')
        || ' '
        || json_extract('["Kováč","Lindqvist","Müller","Ní Bhriain","O''Neill"]', '$[' || (n % 5) || ']'),
    printf('reader%04d@example.com', n),
    date('2019-01-01', (n * 2) || ' days')
FROM number;

WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 2000)
INSERT INTO purchase (id, customer_id, shop_id, purchased_at)
SELECT
    n,
    CASE WHEN n % 5 = 0 THEN NULL ELSE 1 + (n * 17) % 900 END,
    1 + n % 6,
    datetime('2023-01-01 09:00:00', (n * 397) || ' minutes')
FROM number;

INSERT INTO purchase_line (purchase_id, line, book_id, quantity, price_cents)
SELECT purchase.id, line.value, book.id, 1 + (purchase.id + line.value) % 3, book.price_cents
FROM purchase
JOIN json_each('[1,2,3]') AS line ON line.value <= 1 + purchase.id % 3
JOIN book ON book.id = 1 + (purchase.id * 7 + line.value * 53) % 400;

-- Gives the catalog an estimate of the rows of each table.
ANALYZE;
