CREATE TABLE review (
    id          INTEGER PRIMARY KEY,
    book_id     INTEGER NOT NULL REFERENCES book (id) ON DELETE CASCADE,
    customer_id INTEGER NOT NULL REFERENCES customer (id),
    stars       INTEGER NOT NULL CHECK (stars BETWEEN 1 AND 5),
    text        TEXT NOT NULL DEFAULT ''
);

CREATE INDEX review_book ON review (book_id);

INSERT INTO review (book_id, customer_id, stars, text)
SELECT id, 1 + id * 2 % 900, 1 + id % 5, 'Très bien; ein gutes Buch 📚' FROM book WHERE id % 3 = 0;
