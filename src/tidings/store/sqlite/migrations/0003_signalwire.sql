-- Messages with media, senders that say what becomes of messages to them, and what applications arrange through an API.

ALTER TABLE messages ADD COLUMN channel TEXT NOT NULL DEFAULT 'sms';
ALTER TABLE messages ADD COLUMN media INTEGER NOT NULL DEFAULT 0;
ALTER TABLE messages ADD COLUMN service TEXT;
ALTER TABLE messages ADD COLUMN price INTEGER;
ALTER TABLE messages ADD COLUMN extras TEXT NOT NULL DEFAULT '{}';      -- JSON
ALTER TABLE messages ADD COLUMN redacted_at INTEGER;
ALTER TABLE messages ADD COLUMN deleted_at INTEGER;
-- Few of all: it tells cheaply that what a batch speaks of is none of them.
CREATE INDEX messages_redacted ON messages (id) WHERE redacted_at IS NOT NULL;

ALTER TABLE senders ADD COLUMN id TEXT NOT NULL DEFAULT '';
ALTER TABLE senders ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE senders ADD COLUMN handling TEXT NOT NULL DEFAULT '{}';     -- Handling, JSON
ALTER TABLE senders ADD COLUMN created_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE senders ADD COLUMN updated_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE senders ADD COLUMN claimed INTEGER NOT NULL DEFAULT 0;
-- When a sender was made was not kept so far: now, at the latest.
UPDATE senders
   SET id = lower(hex(randomblob(16))),
       created_at = CAST(strftime('%s', 'now') AS INTEGER) * 1000000,
       updated_at = CAST(strftime('%s', 'now') AS INTEGER) * 1000000;
CREATE UNIQUE INDEX senders_by_id ON senders (account, id);

ALTER TABLE accounts ADD COLUMN signing_key TEXT;
ALTER TABLE accounts ADD COLUMN dialects TEXT;                          -- JSON array, NULL: all

CREATE TABLE resources (
  id         TEXT PRIMARY KEY NOT NULL,
  kind       TEXT NOT NULL,
  account    TEXT NOT NULL REFERENCES accounts,
  parent     TEXT REFERENCES resources ON DELETE CASCADE,
  created_at INTEGER NOT NULL,
  data       TEXT NOT NULL             -- the whole Resource, JSON
);
CREATE INDEX resources_of_account ON resources (account, kind, created_at, id);
CREATE INDEX resources_of_parent ON resources (parent, created_at, id) WHERE parent IS NOT NULL;

CREATE TABLE media (
  id           TEXT PRIMARY KEY,
  message_id   TEXT NOT NULL,
  account      TEXT NOT NULL,
  place        INTEGER NOT NULL,
  url          TEXT,
  content_type TEXT,
  size         INTEGER,
  created_at   INTEGER NOT NULL,
  updated_at   INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX media_of_message ON media (message_id, place);

-- Apart from their rows, which are read without them; not WITHOUT ROWID, which is for small rows.
CREATE TABLE media_contents (
  medium  TEXT PRIMARY KEY NOT NULL,
  content BLOB NOT NULL
);

CREATE TABLE stickies (
  service   TEXT NOT NULL,
  recipient TEXT NOT NULL,
  sender    TEXT NOT NULL,
  PRIMARY KEY (service, recipient)
) WITHOUT ROWID;
