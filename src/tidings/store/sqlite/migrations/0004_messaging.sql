-- Messages that are sent later, a queue for each sender, validities of messages' own, opt-outs from services, and
-- what comes in piece by piece or twice.

ALTER TABLE messages ADD COLUMN send_at INTEGER;

-- A queue is what waits for one carrier from one sender of an account. What is scheduled waits for none yet.
DROP INDEX messages_due;
CREATE INDEX messages_due ON messages (carrier, account, sender, due_at, id)
 WHERE carrier IS NOT NULL AND due_at IS NOT NULL;
-- Few of all have such a validity, or are sent later: no other has a place in these.
CREATE INDEX messages_expiring ON messages (coalesce(send_at, created_at) + validity * 1000000, id)
 WHERE validity IS NOT NULL AND due_at IS NOT NULL AND status IN ('queued', 'sending');
-- With the account and the status they are counted without a look at the messages.
CREATE INDEX messages_scheduled ON messages (due_at, id, account, status) WHERE status = 'scheduled';

ALTER TABLE opt_outs RENAME COLUMN sender TO scope;
ALTER TABLE opt_outs ADD COLUMN origin TEXT NOT NULL DEFAULT 'keyword';
CREATE INDEX opt_outs_of_recipient ON opt_outs (account, recipient, scope);

-- Not WITHOUT ROWID, which is for small rows: text and PDU are kept in hex.
CREATE TABLE inbound_parts (
  carrier     TEXT NOT NULL,
  account     TEXT NOT NULL,
  source      TEXT NOT NULL,
  destination TEXT NOT NULL,
  reference   INTEGER NOT NULL,
  parts       INTEGER NOT NULL,
  part        INTEGER NOT NULL,
  received_at INTEGER NOT NULL,
  text        TEXT NOT NULL,
  encoding    TEXT NOT NULL,
  raw         TEXT NOT NULL,
  PRIMARY KEY (carrier, source, destination, reference, parts, part)
);
CREATE INDEX inbound_parts_by_age ON inbound_parts (received_at);

CREATE TABLE arrivals (
  carrier    TEXT NOT NULL,
  digest     TEXT NOT NULL,
  connection TEXT NOT NULL,
  at         INTEGER NOT NULL,
  PRIMARY KEY (carrier, digest)
) WITHOUT ROWID;
CREATE INDEX arrivals_by_age ON arrivals (at);

ALTER TABLE accounts ADD COLUMN test INTEGER NOT NULL DEFAULT 0;
ALTER TABLE accounts ADD COLUMN short_code_country TEXT NOT NULL DEFAULT 'US';
