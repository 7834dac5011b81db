-- Purchases of one book each; the trigger of the second migration gives each customer points for them.

WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 500)
INSERT INTO purchase (customer_id, shop_id, purchased_at)
SELECT 1 + (n * 17) % 900, 1 + n % 6, datetime('2026-01-02 09:00:00', n || ' minutes') FROM number;

INSERT INTO purchase_line (purchase_id, line, book_id, quantity, price_cents)
SELECT purchase.id, 1, book.id, 1, book.price_cents
FROM purchase
JOIN book ON book.id = 1 + (purchase.id * 7) % 400
WHERE NOT EXISTS (SELECT 1 FROM purchase_line WHERE purchase_line.purchase_id = purchase.id);
