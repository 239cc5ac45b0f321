-- How a batch of changes is written: by one INSERT into a view that only a trigger stands behind, so that a whole
-- transaction is one step of SQLite, during which the writer thread needs nothing of the interpreter.
--
-- Each column of the view is one kind of row: a JSON array of rows, or NULL; each row is an array in the order of its
-- struct's fields (tidings.model). They are written in this order: what a row refers to comes first.

CREATE TEMP VIEW batch (keys, messages, standings, recut, segments, events, receipts, parked, matched, callbacks,
                        outcomes, opt_outs, opt_ins)
AS SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL;

CREATE TEMP TRIGGER keep_batch INSTEAD OF INSERT ON batch
BEGIN
  INSERT INTO idempotency_keys
  SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4
    FROM json_each(NEW.keys);

  INSERT INTO messages (id, account, dialect, direction, sender, recipient, body, encoding, segments,
                        callback_url, validity, created_at)
  SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
         value ->> 8, value ->> 9, value ->> 10, value ->> 11
    FROM json_each(NEW.messages);

  UPDATE messages
     SET (status, events, updated_at, error, sent_at, carrier, due_at, tries) =
         (value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7, value ->> 8)
    FROM json_each(NEW.standings)
   WHERE messages.id = value ->> 0;

  DELETE FROM segments
   WHERE (message_id, part) IN
         (SELECT s.message_id, s.part FROM json_each(NEW.recut) JOIN segments s ON s.message_id = value ->> 0
           WHERE s.part > value ->> 1);

  INSERT INTO segments
  SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
         value ->> 8, value ->> 9
    FROM json_each(NEW.segments)
   WHERE true
      ON CONFLICT (message_id, part) DO UPDATE
     SET (state, carrier, carrier_id, carrier_key, error, submitted_at, answered_at, settled_at) =
         (excluded.state, excluded.carrier, excluded.carrier_id, excluded.carrier_key, excluded.error,
          excluded.submitted_at, excluded.answered_at, excluded.settled_at);

  INSERT INTO events (message_id, number, account, at, kind, status, moved, applied, part, error, detail)
  SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
         value ->> 8, value ->> 9, value -> 10
    FROM json_each(NEW.events);

  INSERT INTO receipts
  SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value -> 6
    FROM json_each(NEW.receipts);

  INSERT OR IGNORE INTO parked
  SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3
    FROM json_each(NEW.parked);

  UPDATE receipts
     SET (message_id, part) = (value ->> 1, value ->> 2)
    FROM json_each(NEW.matched)
   WHERE receipts.id = value ->> 0;

  DELETE FROM parked WHERE receipt_id IN (SELECT value ->> 0 FROM json_each(NEW.matched));

  INSERT INTO callbacks
  SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
         value ->> 8, value ->> 9, value ->> 10
    FROM json_each(NEW.callbacks);

  UPDATE callbacks
     SET (state, due_at, attempts, response, error, done_at) =
         (value ->> 4, value ->> 6, value ->> 7, value ->> 8, value ->> 9, value ->> 10)
    FROM json_each(NEW.outcomes)
   WHERE callbacks.message_id = value ->> 0 AND callbacks.number = value ->> 1;

  INSERT OR REPLACE INTO opt_outs
  SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4
    FROM json_each(NEW.opt_outs);

  DELETE FROM opt_outs
   WHERE (account, sender, recipient) IN (SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(NEW.opt_ins));
END;
