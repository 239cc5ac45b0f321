-- Every query has a name and lives here or in callbacks.sql. {message} stands for the columns of a Message, in the order
-- of its fields, {m.message} for the same with `m.` before each (`statements` tells which structs have such a name).
--
-- The first ones keep batches: run once for each row, whose values are those of its struct in order (tidings.model);
-- `statements` tells in which order they are run. The scribe takes the whole batch back where one fails: OR FAIL spares
-- SQLite the journal to take back only that one.

-- name: insert_idempotency_keys
INSERT OR FAIL INTO idempotency_keys VALUES (?, ?, ?, ?, ?)

-- name: insert_messages
INSERT OR FAIL INTO messages ({message}, status, events, updated_at, error, sent_at, carrier, due_at, tries)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

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

-- name: insert_opt_outs
INSERT OR REPLACE INTO opt_outs VALUES (?, ?, ?, ?, ?)

-- name: lift_opt_outs
DELETE FROM opt_outs WHERE account = ? AND sender = ? AND recipient = ?

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

-- name: message
SELECT {message}, {standing}
  FROM messages
 WHERE id = :id AND account = :account AND (:deleted OR deleted_at IS NULL);

-- name: messages
SELECT {message}, {standing}
  FROM messages
 WHERE account = :account
   AND id < :before AND id >= :floor
   AND (:sender IS NULL OR sender = :sender)
   AND (:recipient IS NULL OR recipient = :recipient)
   AND (:sent_from IS NULL OR sent_at >= :sent_from)
   AND (:sent_until IS NULL OR sent_at < :sent_until)
   AND (:created_from IS NULL OR created_at >= :created_from)
   AND (:created_until IS NULL OR created_at < :created_until)
   AND (:statuses IS NULL OR status IN (SELECT value FROM json_each(:statuses)))
   AND (:deleted OR deleted_at IS NULL)
 ORDER BY id DESC
 LIMIT :limit;

-- name: messages_to
SELECT {message}, {standing}
  FROM messages INDEXED BY messages_by_recipient
 WHERE account = :account AND recipient = :recipient
   AND id < :before AND id >= :floor
   AND (:sender IS NULL OR sender = :sender)
   AND (:sent_from IS NULL OR sent_at >= :sent_from)
   AND (:sent_until IS NULL OR sent_at < :sent_until)
   AND (:created_from IS NULL OR created_at >= :created_from)
   AND (:created_until IS NULL OR created_at < :created_until)
   AND (:statuses IS NULL OR status IN (SELECT value FROM json_each(:statuses)))
   AND (:deleted OR deleted_at IS NULL)
 ORDER BY id DESC
 LIMIT :limit;

-- name: messages_from
SELECT {message}, {standing}
  FROM messages INDEXED BY messages_by_sender
 WHERE account = :account AND sender = :sender
   AND id < :before AND id >= :floor
   AND (:sent_from IS NULL OR sent_at >= :sent_from)
   AND (:sent_until IS NULL OR sent_at < :sent_until)
   AND (:created_from IS NULL OR created_at >= :created_from)
   AND (:created_until IS NULL OR created_at < :created_until)
   AND (:statuses IS NULL OR status IN (SELECT value FROM json_each(:statuses)))
   AND (:deleted OR deleted_at IS NULL)
 ORDER BY id DESC
 LIMIT :limit;

-- name: messages_by_id
SELECT {message}, {standing}
  FROM messages
 WHERE id IN (SELECT value FROM json_each(:ids));

-- name: media
SELECT {medium} FROM media WHERE message_id = :message_id ORDER BY place, id;

-- name: medium
SELECT {medium} FROM media WHERE id = :id;

-- name: put_content
INSERT OR REPLACE INTO media_contents VALUES (:medium, :content);

-- name: content
SELECT content FROM media_contents WHERE medium = :medium;

-- name: segments_by_message
SELECT {segment}
  FROM segments
 WHERE message_id IN (SELECT value FROM json_each(:ids))
 ORDER BY message_id, part;

-- name: events_by_message
SELECT {event}
  FROM events
 WHERE message_id = :message_id
 ORDER BY number;

-- name: feed
SELECT cursor, {event}
  FROM events
 WHERE account = :account AND cursor > :after
 ORDER BY cursor
 LIMIT :limit;

-- name: receipts_by_message
SELECT {receipt}
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
SELECT {receipts.receipt}
  FROM parked JOIN receipts ON receipts.id = parked.receipt_id
 WHERE parked.carrier = :carrier AND key = :key
 ORDER BY receipts.received_at, receipts.id;

-- name: drop_parked
DELETE FROM parked WHERE received_at < :before;

-- name: put_account
INSERT INTO accounts ({account})
VALUES (:id, :name, :auth_token, :created_at, :active, :countries, :previous_token, :previous_until, :callbacks,
        :signing_key, :dialects)
    ON CONFLICT (id) DO UPDATE
   SET (name, auth_token, active, countries, previous_token, previous_until, callbacks, signing_key, dialects) =
       (excluded.name, excluded.auth_token, excluded.active, excluded.countries, excluded.previous_token,
        excluded.previous_until, excluded.callbacks, excluded.signing_key, excluded.dialects);

-- name: account
SELECT {account}
  FROM accounts
 WHERE id = :id;

-- name: accounts
SELECT {account}
  FROM accounts
 ORDER BY created_at, id;

-- name: subscriptions
SELECT id, events_url FROM accounts WHERE events_url IS NOT NULL ORDER BY id;

-- name: put_api_key
INSERT OR REPLACE INTO api_keys VALUES (:id, :account, :name, :secret_hash, :created_at);

-- name: api_key
SELECT id, account, name, secret_hash, created_at FROM api_keys WHERE id = :id;

-- name: put_sender
INSERT INTO senders ({sender})
VALUES (:address, :account, :queue_limit, coalesce(nullif(:id, ''), :new_id), :name, :handling, :created_at, :updated_at,
        :claimed)
    ON CONFLICT (address) DO UPDATE
   SET (account, queue_limit, id, name, handling, created_at, updated_at, claimed) =
       (excluded.account, excluded.queue_limit,
        CASE WHEN :id = '' AND account = excluded.account THEN id ELSE excluded.id END,
        excluded.name, excluded.handling, excluded.created_at, excluded.updated_at, excluded.claimed);

-- name: configure_sender
INSERT INTO senders ({sender})
VALUES (:address, :account, :queue_limit, :new_id, '', '{}', :now, :now, 0)
    ON CONFLICT (address) DO UPDATE SET (queue_limit, claimed) = (excluded.queue_limit, 0);

-- name: take_sender
DELETE FROM senders WHERE address = :address AND account != :account;

-- name: sender
SELECT {sender} FROM senders WHERE address = :address;

-- name: sender_by_id
SELECT {sender} FROM senders WHERE account = :account AND id = :id;

-- name: senders
SELECT {sender} FROM senders WHERE account = :account ORDER BY address;

-- name: drop_sender
DELETE FROM senders WHERE address = :address;

-- name: put_resource
INSERT INTO resources VALUES (:id, :kind, :account, :parent, :created_at, :data)
    ON CONFLICT (id) DO UPDATE SET (parent, data) = (excluded.parent, excluded.data);

-- name: resource
SELECT data FROM resources WHERE id = :id AND account = :account AND kind = :kind;

-- name: resources
SELECT data FROM resources WHERE account = :account AND kind = :kind ORDER BY created_at, id;

-- name: resources_of_parent
SELECT data FROM resources INDEXED BY resources_of_parent
 WHERE parent = :parent AND account = :account AND kind = :kind
 ORDER BY created_at, id;

-- name: drop_resource
DELETE FROM resources WHERE id = :id AND account = :account;

-- name: drop_stickies
DELETE FROM stickies WHERE service = :service;

-- name: sticky
SELECT sender FROM stickies WHERE service = :service AND recipient = :recipient;

-- name: opted_out_senders
SELECT DISTINCT account, sender FROM opt_outs;

-- name: opted_out
SELECT 1 FROM opt_outs WHERE account = :account AND sender = :sender AND recipient = :recipient;

-- name: idempotency_key
SELECT account, key, digest, message_id, created_at FROM idempotency_keys WHERE account = :account AND key = :key;

-- name: drop_idempotency_keys
DELETE FROM idempotency_keys WHERE created_at < :before;
