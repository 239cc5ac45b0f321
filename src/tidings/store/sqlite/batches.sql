-- What keeps batches: each is run once for each row, whose values are those of its struct in order (tidings.model);
-- `statements` tells in which order they are run. The scribe takes the whole batch back where one fails: OR FAIL spares
-- SQLite the journal to take back only that one.

-- name: insert_idempotency_keys
INSERT OR FAIL INTO idempotency_keys VALUES (?, ?, ?, ?, ?)

-- name: insert_messages
INSERT OR FAIL INTO messages ({message}, status, events, updated_at, error, sent_at, carrier, due_at, tries)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: choose_senders
UPDATE messages SET sender = ? WHERE id = ?

-- name: update_standings
UPDATE messages
   SET (status, events, updated_at, error, sent_at, carrier, due_at, tries) = (?, ?, ?, ?, ?, ?, ?, ?)
 WHERE id = ?

-- name: take_away
UPDATE messages
   SET (redacted_at, deleted_at) = (coalesce(?, redacted_at), coalesce(?, deleted_at))
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
INSERT OR FAIL INTO events ({event})
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

-- name: lift_opt_outs
DELETE FROM opt_outs WHERE account = ? AND scope = ? AND recipient = ?

-- name: insert_opt_outs
INSERT OR REPLACE INTO opt_outs VALUES (?, ?, ?, ?, ?, ?)

-- name: join_parts
DELETE FROM inbound_parts
 WHERE carrier = ? AND source = ? AND destination = ? AND reference = ? AND parts = ?

-- name: insert_parts
INSERT OR IGNORE INTO inbound_parts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: upsert_arrivals
INSERT OR REPLACE INTO arrivals VALUES (?, ?, ?, ?)

-- name: upsert_media
INSERT OR REPLACE INTO media VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: drop_media
DELETE FROM media WHERE id = ?

-- name: drop_contents
DELETE FROM media_contents WHERE medium = ?

-- name: upsert_stickies
INSERT OR REPLACE INTO stickies VALUES (?, ?, ?)

-- name: redact_messages
UPDATE messages SET body = '' WHERE id = ?

-- name: redact_events
UPDATE events SET detail = json_remove(detail, '$.raw', '$.text') WHERE message_id = ?

-- name: redact_receipts
UPDATE receipts SET (raw, receipt) = ('', json_remove(receipt, '$.raw', '$.text')) WHERE message_id = ?

-- name: redact_attempts
UPDATE attempts SET (body, response_body) = ('', '') WHERE message_id = ?

-- name: redact_queries
-- A redirect may have repeated the query, in its header and in what is told of it.
UPDATE attempts
   SET (url, response_headers, detail) =
       (substr(url, 1, instr(url || '?', '?') - 1),
        CASE WHEN instr(response_headers, '?') THEN '' ELSE response_headers END,
        CASE WHEN instr(detail, '?') THEN '' ELSE detail END)
 WHERE message_id = ? AND method = 'GET'

-- name: redacted
SELECT id FROM messages INDEXED BY messages_redacted
 WHERE redacted_at IS NOT NULL AND id IN (SELECT value FROM json_each(:ids));
