"""What a request needs to be refused: who asks, and what has been made so that it cannot be done.

Called by `test_every_error`.
"""

import socket
from base64 import b64encode
from contextlib import ExitStack
from typing import TYPE_CHECKING

from tidings.arranged import Member, Sender, Service
from tidings.clock import SECOND, iso
from tidings.model import Account, OptOut
from tidings.web.app import build

if TYPE_CHECKING:
    from tests.web.conftest import Server, Site

WAIT = 10.0
MINE = Account("0a" * 16, "first", "token of the first", 0)
THEIRS = Account("0b" * 16, "second", "token of the second", 0)
CLOSED = Account("0c" * 16, "closed", "token of the closed", 0, active=False)
TEST = Account("0d" * 16, "test", "token of the test", 0, test=True)
FROM, FULL, ELSEWHERE, FREE, TO = "+15005550006", "+15005550008", "+15005550009", "+13103386745", "+15551230000"
MESSAGES = "/2010-04-01/Accounts/{account}/Messages.json"
SERVICE = "5e" * 16
FORM = {"To": TO, "From": FROM, "Body": "Hello"}


class Scene:
    """Where a request is made. Whatever makes something so returns the subject of the request, "" for none."""

    def __init__(self, site: "Site", server: "Server", stack: ExitStack) -> None:
        self.site = site
        self.names: dict[str, str] = {}
        """What else is filled in."""
        self._server = server
        self._stack = stack

    def rebuild(self) -> None:
        """Have settings heeded that are read at the start."""
        self._server.app = build(self.site)

    def account(self, account: Account) -> str:
        self.site.run(self.site.store.put_account(account))
        return ""

    def message(self, key: str = "", **params: str) -> str:
        """A message of the account, made with that idempotency key: its SID."""
        path, headers = MESSAGES.format(account=f"AC{MINE.id}"), {"Idempotency-Key": key}
        answer = self.site.http().post(path, data=FORM | params, headers=headers)
        assert answer.status_code == 201, answer.text
        sid: str = answer.json()["sid"]
        return sid

    def service(self, *addresses: str, id_: str = SERVICE) -> str:
        """A service of the account with these senders: its SID."""
        store = self.site.store
        self.site.run(store.put_resource(Service(id_, MINE.id, 0, 0, "all")))
        for number, address in enumerate(addresses):
            self.site.run(store.put_resource(Member(f"{number:032x}", MINE.id, 0, 0, id_, address)))
        return f"MG{id_}"

    def sender(self, address: str) -> str:
        """One of the account: the SID it would have as a number."""
        self.site.run(self.site.put_sender(Sender(address, MINE.id)))
        found = self.site.run(self.site.store.sender(address))
        assert found is not None
        return f"PN{found.id}"

    def with_sender(self, address: str) -> str:
        """An empty service, and a {sender} that is to be added to it."""
        self.names["sender"] = self.sender(address)
        return self.service()

    def with_sender_elsewhere(self) -> str:
        """The same, with one that another service has."""
        self.service(FROM, id_="0f" * 16)
        return self.with_sender(FROM)

    def with_one_scheduled(self) -> str:
        """A service that has a message to send in an hour."""
        service, at = self.service(FROM), iso(self.site.clock.now() + 3600 * SECOND)
        self.message(From="", MessagingServiceSid=service, ScheduleType="fixed", SendAt=at)
        return service

    def crowd(self) -> str:
        """One request of the account is being answered, and no more are let in: its body is still to come."""
        self.site.concurrency = 1
        self.rebuild()
        host, _, port = self.site.url.removeprefix("http://").partition(":")
        held = self._stack.enter_context(socket.create_connection((host, int(port)), WAIT))
        credentials = b64encode(f"AC{MINE.id}:{MINE.auth_token}".encode()).decode()
        head = (
            f"POST {MESSAGES.format(account=f'AC{MINE.id}')} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1\r\n"
            f"Authorization: Basic {credentials}\r\nExpect: 100-continue\r\n\r\n"
        )
        held.sendall(head.encode())
        assert held.recv(1024).startswith(b"HTTP/1.1 100 ")
        return ""

    def opted_out(self, scope: str = FROM) -> str:
        self.site.run(self.site.opt_outs.add([OptOut(MINE.id, scope, TO, 1, "STOP")]))
        return ""

    def failing(self, failure: Exception) -> str:
        self.site.failure = failure
        return ""

    def with_old_messages(self) -> str:
        self.site.sms_messages = True
        self.rebuild()
        return ""
