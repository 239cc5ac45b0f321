-- Callbacks have a target and can be replayed; every attempt at one is kept; accounts say how they want to be told.

CREATE TABLE callbacks_2 (
  message_id TEXT NOT NULL,
  number     INTEGER NOT NULL,
  target     TEXT NOT NULL,
  account    TEXT NOT NULL,
  host       TEXT NOT NULL,
  state      TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  owed_since INTEGER NOT NULL,
  due_at     INTEGER NOT NULL,
  attempts   INTEGER NOT NULL,
  response   INTEGER,
  error      INTEGER,
  done_at    INTEGER,
  replay     TEXT,
  PRIMARY KEY (message_id, number, target)
) WITHOUT ROWID;
INSERT INTO callbacks_2
SELECT message_id, number, 'message', account, host, state, created_at, created_at, due_at, attempts, response, error,
       done_at, NULL
  FROM callbacks
 ORDER BY message_id, number;
DROP TABLE callbacks;
ALTER TABLE callbacks_2 RENAME TO callbacks;
CREATE INDEX callbacks_owed ON callbacks (host, account, due_at, message_id, number, target)
 WHERE state IN ('owed', 'retrying');
CREATE INDEX callbacks_given_up ON callbacks (account, message_id, number, target) WHERE state = 'given_up';
CREATE INDEX callbacks_replayed ON callbacks (replay, state) WHERE replay IS NOT NULL;

-- Two rows a message and more, of some 1 to 6 KB. They are too large for a table WITHOUT ROWID, which would put most of
-- each into an overflow page of its own: three times the bytes. The index by message has no target, to be small.
CREATE TABLE attempts (
  id               TEXT PRIMARY KEY NOT NULL,
  message_id       TEXT NOT NULL,
  number           INTEGER NOT NULL,
  target           TEXT NOT NULL,
  account          TEXT NOT NULL,
  ordinal          INTEGER NOT NULL,
  at               INTEGER NOT NULL,
  connected        INTEGER,
  first_byte       INTEGER,
  elapsed          INTEGER NOT NULL,
  method           TEXT NOT NULL,
  url              TEXT NOT NULL,
  headers          TEXT NOT NULL,
  body             TEXT NOT NULL,
  response         INTEGER,
  response_headers TEXT NOT NULL,
  response_body    TEXT NOT NULL,
  error            INTEGER,
  detail           TEXT NOT NULL
);
CREATE INDEX attempts_of_callback ON attempts (message_id, number);
CREATE INDEX attempts_failed ON attempts (account, id) WHERE error IS NOT NULL;

CREATE TABLE replays (
  id        TEXT PRIMARY KEY,
  account   TEXT NOT NULL,
  made_at   INTEGER NOT NULL,
  requeued  INTEGER NOT NULL,
  cursor    TEXT NOT NULL,
  ended_at  INTEGER,
  found_by  TEXT NOT NULL          -- Replay.where, JSON
) WITHOUT ROWID;
CREATE INDEX replays_of_account ON replays (account, id);
CREATE INDEX replays_running ON replays (id) WHERE ended_at IS NULL;

ALTER TABLE accounts ADD COLUMN previous_token TEXT;
ALTER TABLE accounts ADD COLUMN previous_until INTEGER NOT NULL DEFAULT 0;
ALTER TABLE accounts ADD COLUMN callbacks TEXT NOT NULL DEFAULT '{}';   -- CallbackOptions, JSON
ALTER TABLE accounts ADD COLUMN events_url TEXT GENERATED ALWAYS AS (json_extract(callbacks, '$.url')) VIRTUAL;
CREATE INDEX accounts_subscribed ON accounts (id, events_url) WHERE events_url IS NOT NULL;
