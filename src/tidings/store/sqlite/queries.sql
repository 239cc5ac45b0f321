-- Every query has a name and lives here. The first ones keep batches: run once for each row, whose values are those of
-- its struct in order (tidings.model); they are written in this order, so that what a row refers to comes first. The
-- scribe takes the whole batch back where one fails: OR FAIL spares SQLite the journal to take back only that one.

-- name: insert_idempotency_keys
INSERT OR FAIL INTO idempotency_keys VALUES (?, ?, ?, ?, ?)

-- name: insert_messages
INSERT OR FAIL INTO messages VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: update_standings
UPDATE messages
   SET (status, events, updated_at, error, sent_at, carrier, due_at, tries) = (?, ?, ?, ?, ?, ?, ?, ?)
 WHERE id = ?

-- name: recut_segments
DELETE FROM segments WHERE message_id = ? AND part > ?

-- name: upsert_segments
INSERT OR FAIL INTO segments VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (message_id, part) DO UPDATE
   SET (state, carrier, carrier_id, carrier_key, error, submitted_at, answered_at, settled_at) =
       (excluded.state, excluded.carrier, excluded.carrier_id, excluded.carrier_key, excluded.error,
        excluded.submitted_at, excluded.answered_at, excluded.settled_at)

-- name: append_events
INSERT OR FAIL INTO events (message_id, number, account, at, kind, status, moved, applied, part, error, detail)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: insert_receipts
INSERT OR FAIL INTO receipts VALUES (?, ?, ?, ?, ?, ?, ?)

-- name: park_receipts
INSERT OR IGNORE INTO parked VALUES (?, ?, ?, ?)

-- name: match_receipts
UPDATE receipts SET (message_id, part) = (?, ?) WHERE id = ?

-- name: unpark_receipts
DELETE FROM parked WHERE receipt_id = ?

-- name: insert_callbacks
INSERT OR FAIL INTO callbacks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: update_callbacks
UPDATE callbacks
   SET (host, state, owed_since, due_at, attempts, response, error, done_at, replay) = (?, ?, ?, ?, ?, ?, ?, ?, ?)
 WHERE message_id = ? AND number = ? AND target = ?

-- name: insert_attempts
INSERT OR FAIL INTO attempts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: upsert_replays
INSERT OR FAIL INTO replays VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE
   SET (requeued, cursor, ended_at) = (excluded.requeued, excluded.cursor, excluded.ended_at)

-- name: insert_opt_outs
INSERT OR REPLACE INTO opt_outs VALUES (?, ?, ?, ?, ?)

-- name: lift_opt_outs
DELETE FROM opt_outs WHERE account = ? AND sender = ? AND recipient = ?

-- name: message
SELECT id, account, dialect, direction, sender, recipient, body, encoding, segments, callback_url, validity,
       created_at, status, events, updated_at, error, sent_at, carrier, due_at, tries
  FROM messages
 WHERE id = :id AND account = :account;

-- name: messages
SELECT id, account, dialect, direction, sender, recipient, body, encoding, segments, callback_url, validity,
       created_at, status, events, updated_at, error, sent_at, carrier, due_at, tries
  FROM messages
 WHERE account = :account
   AND id < :before AND id >= :floor
   AND (:sender IS NULL OR sender = :sender)
   AND (:recipient IS NULL OR recipient = :recipient)
   AND (:sent_from IS NULL OR sent_at >= :sent_from)
   AND (:sent_until IS NULL OR sent_at < :sent_until)
 ORDER BY id DESC
 LIMIT :limit;

-- name: messages_to
SELECT id, account, dialect, direction, sender, recipient, body, encoding, segments, callback_url, validity,
       created_at, status, events, updated_at, error, sent_at, carrier, due_at, tries
  FROM messages INDEXED BY messages_by_recipient
 WHERE account = :account AND recipient = :recipient
   AND id < :before AND id >= :floor
   AND (:sender IS NULL OR sender = :sender)
   AND (:sent_from IS NULL OR sent_at >= :sent_from)
   AND (:sent_until IS NULL OR sent_at < :sent_until)
 ORDER BY id DESC
 LIMIT :limit;

-- name: messages_from
SELECT id, account, dialect, direction, sender, recipient, body, encoding, segments, callback_url, validity,
       created_at, status, events, updated_at, error, sent_at, carrier, due_at, tries
  FROM messages INDEXED BY messages_by_sender
 WHERE account = :account AND sender = :sender
   AND id < :before AND id >= :floor
   AND (:sent_from IS NULL OR sent_at >= :sent_from)
   AND (:sent_until IS NULL OR sent_at < :sent_until)
 ORDER BY id DESC
 LIMIT :limit;

-- name: messages_by_id
SELECT id, account, dialect, direction, sender, recipient, body, encoding, segments, callback_url, validity,
       created_at, status, events, updated_at, error, sent_at, carrier, due_at, tries
  FROM messages
 WHERE id IN (SELECT value FROM json_each(:ids));

-- name: segments_by_message
SELECT message_id, part, state, carrier, carrier_id, carrier_key, error, submitted_at, answered_at, settled_at
  FROM segments
 WHERE message_id IN (SELECT value FROM json_each(:ids))
 ORDER BY message_id, part;

-- name: events_by_message
SELECT message_id, number, account, at, kind, status, moved, applied, part, error, detail
  FROM events
 WHERE message_id = :message_id
 ORDER BY number;

-- name: feed
SELECT cursor, message_id, number, account, at, kind, status, moved, applied, part, error, detail
  FROM events
 WHERE account = :account AND cursor > :after
 ORDER BY cursor
 LIMIT :limit;

-- name: receipts_by_message
SELECT id, carrier, received_at, message_id, part, raw, receipt
  FROM receipts
 WHERE message_id = :message_id
 ORDER BY received_at, id;

-- name: due_messages
SELECT id, due_at FROM messages
 WHERE carrier = :carrier AND due_at <= :now
 ORDER BY due_at, id
 LIMIT :limit;

-- name: next_due
SELECT min(due_at) FROM messages WHERE carrier = :carrier AND due_at > :after;

-- name: waiting_carriers
SELECT DISTINCT carrier FROM messages WHERE due_at IS NOT NULL;

-- name: doubtful_segments
SELECT message_id, part FROM segments
 WHERE state = 'submitting' AND (message_id, part) > (:message_id, :part)
 ORDER BY message_id, part
 LIMIT :limit;

-- name: waiting_segments
SELECT account, sender, sum(segments) FROM messages
 WHERE due_at IS NOT NULL AND status = 'queued'
 GROUP BY account, sender;

-- name: open_segments
SELECT s.message_id, s.part
  FROM messages m INDEXED BY messages_by_recipient
  JOIN segments s ON s.message_id = m.id
 WHERE m.recipient IN (SELECT value FROM json_each(:recipients)) AND m.id >= :floor
   AND s.carrier = :carrier AND s.state IN ('submitting', 'uncertain', 'accepted');

-- name: accepted_segments
SELECT m.created_at, s.carrier_id, m.sender
  FROM segments s JOIN messages m ON m.id = s.message_id
 WHERE s.message_id >= :floor AND s.message_id < :ceiling
   AND s.state = 'accepted' AND s.carrier = :carrier AND s.carrier_id != ''
   AND m.created_at >= :since
 ORDER BY s.message_id, s.part
 LIMIT :limit;

-- name: find_segments
SELECT carrier_key, message_id, part FROM segments
 WHERE carrier = :carrier AND carrier_key IN (SELECT value FROM json_each(:keys));

-- name: parked_keys
SELECT carrier, key, receipt_id FROM parked ORDER BY received_at DESC LIMIT :limit;

-- name: parked
SELECT receipts.id, receipts.carrier, receipts.received_at, message_id, part, raw, receipt
  FROM parked JOIN receipts ON receipts.id = parked.receipt_id
 WHERE parked.carrier = :carrier AND key = :key
 ORDER BY receipts.received_at, receipts.id;

-- name: drop_parked
DELETE FROM parked WHERE received_at < :before;

-- name: put_account
INSERT INTO accounts (id, name, auth_token, created_at, active, countries, previous_token, previous_until, callbacks)
VALUES (:id, :name, :auth_token, :created_at, :active, :countries, :previous_token, :previous_until, :callbacks)
    ON CONFLICT (id) DO UPDATE
   SET (name, auth_token, active, countries, previous_token, previous_until, callbacks) =
       (excluded.name, excluded.auth_token, excluded.active, excluded.countries, excluded.previous_token,
        excluded.previous_until, excluded.callbacks);

-- name: account
SELECT id, name, auth_token, created_at, active, countries, previous_token, previous_until, callbacks
  FROM accounts
 WHERE id = :id;

-- name: accounts
SELECT id, name, auth_token, created_at, active, countries, previous_token, previous_until, callbacks
  FROM accounts
 ORDER BY created_at, id;

-- name: subscriptions
SELECT id, events_url FROM accounts WHERE events_url IS NOT NULL ORDER BY id;

-- name: put_api_key
INSERT OR REPLACE INTO api_keys VALUES (:id, :account, :name, :secret_hash, :created_at);

-- name: api_key
SELECT id, account, name, secret_hash, created_at FROM api_keys WHERE id = :id;

-- name: put_sender
INSERT INTO senders VALUES (:address, :account, :queue_limit)
    ON CONFLICT (address) DO UPDATE SET (account, queue_limit) = (excluded.account, excluded.queue_limit);

-- name: sender
SELECT address, account, queue_limit FROM senders WHERE address = :address;

-- name: senders
SELECT address, account, queue_limit FROM senders WHERE account = :account ORDER BY address;

-- name: opted_out_senders
SELECT DISTINCT account, sender FROM opt_outs;

-- name: opted_out
SELECT 1 FROM opt_outs WHERE account = :account AND sender = :sender AND recipient = :recipient;

-- name: idempotency_key
SELECT account, key, digest, message_id, created_at FROM idempotency_keys WHERE account = :account AND key = :key;

-- name: drop_idempotency_keys
DELETE FROM idempotency_keys WHERE created_at < :before;
