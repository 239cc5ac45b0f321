-- What reads callbacks, the attempts at them, and replays. The lists of an account have a query for each place where
-- their rows lie together; `:floor` and `:ceiling` bound message ids, both included.

-- name: owing
SELECT host, account, target, count(*) FROM callbacks
 WHERE state IN ('owed', 'retrying') AND (:account IS NULL OR account = :account)
 GROUP BY host, account, target;

-- name: due_callbacks
WITH heads AS MATERIALIZED (
  SELECT message_id, number, target, due_at
    FROM callbacks h
   WHERE host = :host AND account = :account AND due_at <= :now AND state IN ('owed', 'retrying')
     AND NOT EXISTS (SELECT 1 FROM callbacks p
                      WHERE p.message_id = h.message_id AND p.number < h.number AND p.target = h.target
                        AND p.state IN ('owed', 'retrying'))
   ORDER BY due_at, message_id, number, target
   LIMIT :limit
)
SELECT {c.callback}, {m.message}, {e.event}
  FROM heads
  JOIN callbacks c ON c.message_id = heads.message_id AND c.number >= heads.number AND c.target = heads.target
                  AND c.state IN ('owed', 'retrying')
  JOIN messages m ON m.id = c.message_id
  JOIN events e ON e.message_id = c.message_id AND e.number = c.number
 -- A chain goes on at another host where its URL was changed: what comes after that waits for it.
 WHERE NOT EXISTS (SELECT 1 FROM callbacks o
                    WHERE o.message_id = heads.message_id AND o.number BETWEEN heads.number AND c.number
                      AND o.target = heads.target AND o.state IN ('owed', 'retrying') AND o.host != :host)
 ORDER BY heads.due_at, c.message_id, c.target, c.number;

-- name: next_callback_due
SELECT min(due_at) FROM callbacks
 WHERE host = :host AND account = :account AND due_at > :after AND state IN ('owed', 'retrying');

-- name: hasten
UPDATE callbacks INDEXED BY callbacks_owed
   SET due_at = :now
 WHERE host = :host AND account = :account AND due_at > :now AND state IN ('owed', 'retrying') AND state = 'retrying';

-- name: callbacks_by_message
SELECT {callback} FROM callbacks
 WHERE message_id = :message_id
 ORDER BY number, target;

-- name: callback
SELECT {callback} FROM callbacks
 WHERE message_id = :message_id AND number = :number AND target = :target AND account = :account;

-- name: callbacks_of_account
SELECT {c.callback}
  FROM messages m INDEXED BY messages_of_account
 CROSS JOIN callbacks c ON c.message_id = m.id
 WHERE m.account = :account AND m.id >= :floor AND m.id <= :ceiling
   AND (c.message_id, c.number, c.target) < (:before_message, :before_number, :before_target)
   AND c.state IN (SELECT value FROM json_each(:states))
   AND (:host IS NULL OR c.host = :host)
   AND (:error IS NULL OR c.error = :error)
   AND (:target IS NULL OR c.target = :target)
   AND c.created_at >= :since AND c.created_at < :until
 ORDER BY m.id DESC, c.number DESC, c.target DESC
 LIMIT :limit;

-- name: callbacks_given_up
SELECT {callback}
  FROM callbacks INDEXED BY callbacks_given_up
 WHERE account = :account AND state = 'given_up' AND message_id >= :floor AND message_id <= :ceiling
   AND (message_id, number, target) < (:before_message, :before_number, :before_target)
   AND (:host IS NULL OR host = :host)
   AND (:error IS NULL OR error = :error)
   AND (:target IS NULL OR target = :target)
   AND created_at >= :since AND created_at < :until
 ORDER BY message_id DESC, number DESC, target DESC
 LIMIT :limit;

-- name: callbacks_outstanding
WITH RECURSIVE hosts (host) AS (
  SELECT coalesce(:host, (SELECT min(host) FROM callbacks WHERE state IN ('owed', 'retrying')))
   UNION ALL
  SELECT (SELECT min(host) FROM callbacks WHERE state IN ('owed', 'retrying') AND host > hosts.host)
    FROM hosts
   WHERE :host IS NULL AND hosts.host IS NOT NULL
)
SELECT {c.callback}
  FROM hosts
 CROSS JOIN callbacks c INDEXED BY callbacks_owed
         ON c.host = hosts.host AND c.account = :account AND c.state IN ('owed', 'retrying')
 WHERE c.message_id >= :floor AND c.message_id <= :ceiling
   AND (c.message_id, c.number, c.target) < (:before_message, :before_number, :before_target)
   AND c.state IN (SELECT value FROM json_each(:states))
   AND (:error IS NULL OR c.error = :error)
   AND (:target IS NULL OR c.target = :target)
   AND c.created_at >= :since AND c.created_at < :until
 ORDER BY c.message_id DESC, c.number DESC, c.target DESC
 LIMIT :limit;

-- name: replayable_of_account
SELECT {c.callback}
  FROM messages m INDEXED BY messages_of_account
 CROSS JOIN callbacks c ON c.message_id = m.id
 WHERE m.account = :account AND m.id > :cursor AND m.id >= :floor AND m.id <= :ceiling
   AND c.state IN (SELECT value FROM json_each(:states))
   AND (:host IS NULL OR c.host = :host)
   AND (:error IS NULL OR c.error = :error)
   AND (:target IS NULL OR c.target = :target)
   AND c.created_at >= :since AND c.created_at < :until
 ORDER BY m.id, c.number, c.target;

-- name: replayable_given_up
SELECT {callback}
  FROM callbacks INDEXED BY callbacks_given_up
 WHERE account = :account AND state = 'given_up'
   AND message_id > :cursor AND message_id >= :floor AND message_id <= :ceiling
   AND (:host IS NULL OR host = :host)
   AND (:error IS NULL OR error = :error)
   AND (:target IS NULL OR target = :target)
   AND created_at >= :since AND created_at < :until
 ORDER BY message_id, number, target;

-- name: attempts
SELECT {attempt}
  FROM attempts
 WHERE message_id = :message_id AND number = :number AND target = :target AND account = :account
 ORDER BY ordinal, id;

-- name: failed_attempts
SELECT {attempt}
  FROM attempts INDEXED BY attempts_failed
 WHERE account = :account AND error IS NOT NULL
   AND id < :before AND id >= :floor AND at >= :since AND at < :until
 ORDER BY id DESC
 LIMIT :limit;

-- name: failed_attempt
SELECT {attempt}
  FROM attempts
 WHERE id = :id AND account = :account AND error IS NOT NULL;

-- name: drop_attempts
DELETE FROM attempts WHERE id IN (SELECT id FROM attempts WHERE id < :before ORDER BY id LIMIT :limit);

-- name: replay
SELECT id, account, made_at, requeued, cursor, ended_at, found_by FROM replays WHERE id = :id AND account = :account;

-- name: replays
SELECT id, account, made_at, requeued, cursor, ended_at, found_by
  FROM replays
 WHERE account = :account
 ORDER BY id DESC
 LIMIT :limit;

-- name: running_replays
SELECT id, account, made_at, requeued, cursor, ended_at, found_by
  FROM replays
 WHERE ended_at IS NULL
 ORDER BY id;

-- name: replay_states
SELECT state, count(*) FROM callbacks WHERE replay = :id GROUP BY state;
