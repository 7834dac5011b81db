ALTER TABLE customer ADD COLUMN points INTEGER NOT NULL DEFAULT 0;

UPDATE customer
SET points = (
    SELECT coalesce(sum(total_cents), 0) / 100
    FROM purchase_line
    JOIN purchase ON purchase.id = purchase_line.purchase_id
    WHERE purchase.customer_id = customer.id
);

CREATE TRIGGER purchase_line_points AFTER INSERT ON purchase_line
BEGIN
    UPDATE customer
    SET points = points + NEW.total_cents / 100
    WHERE id = (SELECT customer_id FROM purchase WHERE id = NEW.purchase_id);
END;
