-- What reads messages, what is to be done and what is arranged, and the few changes that come alone.
--
-- Every query has a name and lives here, in batches.sql or in callbacks.sql. {message} stands for the columns of a
-- Message, in the order of its fields, {m.message} for the same with `m.` before each (`statements` tells which structs
-- have such a name).

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

-- name: latest
SELECT at FROM events ORDER BY cursor DESC LIMIT 1;

-- name: due_messages
SELECT id, due_at FROM messages INDEXED BY messages_due
 WHERE carrier = :carrier AND account = :account AND sender = :sender AND due_at <= :now
 ORDER BY due_at, id
 LIMIT :limit;

-- name: next_due
SELECT min(due_at) FROM messages INDEXED BY messages_due
 WHERE carrier = :carrier AND account = :account AND sender = :sender AND due_at > :after;

-- name: queues
-- From the first message of each to that of the next one, however many wait in between.
WITH RECURSIVE heads (id) AS (
  SELECT (SELECT id FROM messages INDEXED BY messages_due
           WHERE carrier IS NOT NULL AND due_at IS NOT NULL
           ORDER BY carrier, account, sender LIMIT 1)
   UNION ALL
  SELECT coalesce((SELECT n.id FROM messages n INDEXED BY messages_due
                    WHERE n.carrier = m.carrier AND n.account = m.account AND n.sender > m.sender
                      AND n.due_at IS NOT NULL
                    ORDER BY n.sender LIMIT 1),
                  (SELECT n.id FROM messages n INDEXED BY messages_due
                    WHERE n.carrier = m.carrier AND n.account > m.account AND n.due_at IS NOT NULL
                    ORDER BY n.account, n.sender LIMIT 1),
                  (SELECT n.id FROM messages n INDEXED BY messages_due
                    WHERE n.carrier > m.carrier AND n.due_at IS NOT NULL
                    ORDER BY n.carrier, n.account, n.sender LIMIT 1))
    FROM heads JOIN messages m ON m.id = heads.id
)
SELECT m.carrier, m.account, m.sender FROM heads JOIN messages m ON m.id = heads.id;

-- name: expired
SELECT id FROM messages INDEXED BY messages_expiring
 WHERE validity IS NOT NULL AND due_at IS NOT NULL AND status IN ('queued', 'sending')
   AND coalesce(send_at, created_at) + validity * 1000000 <= :now
 ORDER BY coalesce(send_at, created_at) + validity * 1000000, id
 LIMIT :limit;

-- name: next_expiry
SELECT min(coalesce(send_at, created_at) + validity * 1000000) FROM messages INDEXED BY messages_expiring
 WHERE validity IS NOT NULL AND due_at IS NOT NULL AND status IN ('queued', 'sending')
   AND coalesce(send_at, created_at) + validity * 1000000 > :after;

-- name: due_scheduled
SELECT id, due_at FROM messages INDEXED BY messages_scheduled
 WHERE status = 'scheduled' AND due_at <= :now
 ORDER BY due_at, id
 LIMIT :limit;

-- name: next_scheduled
SELECT min(due_at) FROM messages INDEXED BY messages_scheduled WHERE status = 'scheduled' AND due_at > :after;

-- name: scheduled
SELECT account, count(*) FROM messages INDEXED BY messages_scheduled WHERE status = 'scheduled' GROUP BY account;

-- name: doubtful_segments
SELECT message_id, part FROM segments
 WHERE state = 'submitting' AND (message_id, part) > (:message_id, :part)
 ORDER BY message_id, part
 LIMIT :limit;

-- name: waiting_segments
-- Queue by queue, as they lie; then what waits for several carriers is put together.
WITH waiting (account, sender, segments) AS (
  SELECT account, sender, sum(segments) FROM messages INDEXED BY messages_due
   WHERE carrier IS NOT NULL AND due_at IS NOT NULL AND status = 'queued'
   GROUP BY carrier, account, sender
)
SELECT account, sender, sum(segments) FROM waiting GROUP BY account, sender;

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
        :signing_key, :dialects, :test, :short_code_country)
    ON CONFLICT (id) DO UPDATE
   SET (name, auth_token, active, countries, previous_token, previous_until, callbacks, signing_key, dialects, test,
        short_code_country) =
       (excluded.name, excluded.auth_token, excluded.active, excluded.countries, excluded.previous_token,
        excluded.previous_until, excluded.callbacks, excluded.signing_key, excluded.dialects, excluded.test,
        excluded.short_code_country);

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

-- name: drop_stickies_of_service
DELETE FROM stickies WHERE service IN (SELECT id FROM resources WHERE id = :id AND account = :account);

-- name: drop_stickies_of_member
DELETE FROM stickies
 WHERE (service, sender) IN (SELECT parent, json_extract(data, '$.address') FROM resources
                              WHERE id = :id AND account = :account AND kind = 'member');

-- name: drop_resource
DELETE FROM resources WHERE id = :id AND account = :account;

-- name: sticky
SELECT sender FROM stickies WHERE service = :service AND recipient = :recipient;

-- name: opted_out_scopes
SELECT DISTINCT account, scope FROM opt_outs;

-- name: opted_out
SELECT 1 FROM opt_outs WHERE account = :account AND scope = :scope AND recipient = :recipient;

-- name: opt_outs
SELECT {opt_out} FROM opt_outs
 WHERE account = :account
   AND (scope, recipient) >= (:first_scope, :first_recipient)
   AND (scope, recipient) <= (:last_scope, :last_recipient)
 ORDER BY scope, recipient
 LIMIT :limit;

-- name: opt_outs_of_recipient
SELECT {opt_out} FROM opt_outs INDEXED BY opt_outs_of_recipient
 WHERE account = :account AND recipient = :recipient
   AND (scope, recipient) >= (:first_scope, :first_recipient)
 ORDER BY scope
 LIMIT :limit;

-- name: inbound_parts
SELECT {inbound_part} FROM inbound_parts
 WHERE carrier = :carrier AND source = :source AND destination = :destination AND reference = :reference
   AND parts = :parts
 ORDER BY part;

-- name: stale_parts
SELECT carrier, source, destination, reference, parts
  FROM inbound_parts p INDEXED BY inbound_parts_by_age
 WHERE received_at < :before
   AND NOT EXISTS (SELECT 1 FROM inbound_parts e
                    WHERE e.carrier = p.carrier AND e.source = p.source AND e.destination = p.destination
                      AND e.reference = p.reference AND e.parts = p.parts
                      AND (e.received_at, e.rowid) < (p.received_at, p.rowid))
 ORDER BY received_at, rowid
 LIMIT :limit;

-- name: oldest_part
SELECT min(received_at) FROM inbound_parts;

-- name: arrival
SELECT {arrival} FROM arrivals WHERE carrier = :carrier AND digest = :digest;

-- name: drop_arrivals
DELETE FROM arrivals WHERE at < :before;

-- name: idempotency_key
SELECT account, key, digest, message_id, created_at FROM idempotency_keys WHERE account = :account AND key = :key;

-- name: drop_idempotency_keys
DELETE FROM idempotency_keys WHERE created_at < :before;
