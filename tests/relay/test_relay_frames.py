"""JSON-RPC as it is read and written."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.relay import frames
from tidings.relay.frames import Malformed, Reply, Request


def test_a_request_is_read() -> None:
    read = frames.read(b'{"jsonrpc": "2.0", "id": "1", "method": "signalwire.ping", "params": {"a": 1}}')
    assert read == Request("signalwire.ping", "1", {"a": 1})


def test_a_request_without_id_wants_no_answer() -> None:
    assert frames.read(b'{"method": "signalwire.ping"}') == Request("signalwire.ping", msgspec.UNSET, {})


@pytest.mark.parametrize(
    ("frame", "reply"),
    [
        (b'{"id": "1", "result": {}}', Reply("1", None)),
        (b'{"id": 1, "result": null}', Reply(1, None)),
        (b'{"id": "1", "error": {"code": 7, "message": "no"}}', Reply("1", "no")),
        (b'{"id": "1", "error": {"code": 7}}', Reply("1", "None")),
        (b'{"id": "1", "error": "no"}', Reply("1", "no")),
        (b'{"id": [], "result": {}}', Reply(None, None)),
    ],
)
def test_a_reply_is_read(frame: bytes, reply: Reply) -> None:
    assert frames.read(frame) == reply


@pytest.mark.parametrize(
    ("frame", "id"),
    [(b'{"id": "7", "method": 1}', "7"), (b'{"id": 7}', 7), (b'{"id": [7], "method": "a"}', None), (b"[1]", None)],
)
def test_what_is_malformed_is_answered_by_its_id_where_it_has_one(frame: bytes, id: object) -> None:
    with pytest.raises(Malformed) as malformed:
        frames.read(frame)
    assert malformed.value.id == id


@given(
    st.binary()
    | st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.integers() | st.text(),
        lambda values: (
            st.lists(values)
            | st.dictionaries(st.sampled_from(["id", "method", "params", "result", "error"]) | st.text(), values)
        ),
    ).map(msgspec.json.encode)
)
def test_any_frame_is_read_or_malformed(frame: bytes) -> None:
    try:
        assert isinstance(frames.read(frame), Request | Reply)
    except Malformed as malformed:
        assert msgspec.json.decode(frames.error(malformed.id, malformed.code, str(malformed)))["error"]["code"] < 0
