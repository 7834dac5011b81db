-- What accounts and keys gained when they became resources of their own.
ALTER TABLE accounts ADD COLUMN updated BIGINT NOT NULL DEFAULT 0;
ALTER TABLE accounts ADD COLUMN revision BIGINT NOT NULL DEFAULT 1;
UPDATE accounts SET updated = created;

-- may_restore stands beside the role. scopes is a set of permissions as bits, NULL where the key is not narrowed; ranges a
-- JSON list of address ranges. previous_digest is taken until previous_until, while a rotation overlaps.
ALTER TABLE api_keys ADD COLUMN may_restore BIGINT NOT NULL DEFAULT 1;
ALTER TABLE api_keys ADD COLUMN scopes BIGINT;
ALTER TABLE api_keys ADD COLUMN ranges TEXT NOT NULL DEFAULT '[]';
ALTER TABLE api_keys ADD COLUMN creator TEXT NOT NULL DEFAULT '';
ALTER TABLE api_keys ADD COLUMN updated BIGINT NOT NULL DEFAULT 0;
ALTER TABLE api_keys ADD COLUMN revision BIGINT NOT NULL DEFAULT 1;
ALTER TABLE api_keys ADD COLUMN previous_digest BLOB;
ALTER TABLE api_keys ADD COLUMN previous_until BIGINT;
ALTER TABLE api_keys ADD COLUMN last_used BIGINT;
ALTER TABLE api_keys ADD COLUMN last_address TEXT;
UPDATE api_keys SET updated = created;
CREATE INDEX api_keys_of_account ON api_keys (account, id);
