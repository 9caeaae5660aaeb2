"""The signed header of a forwarded call, which tells the owner who the client is."""

import hashlib
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

HEADER: Final = b"avatar-forwarded"
"""The header of a call that is passed on, and of the owner's answer to it."""

VALID_SECONDS: Final = 30
"""How far the clocks of two replicas may differ, and how long a call may be on its way."""

_MAX_LENGTH: Final = 4096


class MisdirectedError(Exception):
    """A replica has signed this header, but for another replica, another call or another time."""


@dataclass(frozen=True)
class ForwardedCall:
    """The client of a forwarded call, whose connection ends at the replica that forwards it.

    `visitor` is the id and the name of the visitor whom a proxy has signed in.
    """

    client: tuple[str, int] | None
    scheme: str
    visitor: tuple[str, str | None] | None = None


class ForwardedCallHeader:
    """Signs the header with the first of `keys`, and reads those that any of them has signed.

    The signature holds for one replica, one method and address, and `VALID_SECONDS`; `wall` gives
    unix seconds. Without a key nobody can forge the client of a call.
    """

    def __init__(self, keys: Sequence[bytes], wall: Callable[[], float]) -> None:
        self._keys = keys
        self._wall = wall

    def sign(self, call: ForwardedCall, *, target: str, request: bytes) -> bytes:
        """The header's value; `target` names the owner, `request` is the method and address."""
        fields = {
            "at": self._wall(),
            "target": target,
            "request": hashlib.sha256(request).hexdigest(),
            "client": call.client,
            "scheme": call.scheme,
            "visitor": call.visitor,
        }
        payload = urlsafe_b64encode(json.dumps(fields).encode())
        return payload + b"." + _signature(self._keys[0], payload)

    def read(self, value: bytes, *, target: str, request: bytes) -> ForwardedCall | None:
        """The content of a header; None for a value that no replica has signed.

        Raises `MisdirectedError`.
        """
        payload, _, signature = value.partition(b".")
        if len(value) > _MAX_LENGTH:
            return None
        good = [hmac.compare_digest(_signature(key, payload), signature) for key in self._keys]
        if not any(good):
            return None
        fields: dict[str, Any] = json.loads(urlsafe_b64decode(payload))
        if fields["target"] != target:
            raise MisdirectedError("it is for another replica")
        if fields["request"] != hashlib.sha256(request).hexdigest():
            raise MisdirectedError("it is for another call")
        if abs(self._wall() - fields["at"]) > VALID_SECONDS:
            raise MisdirectedError("it is too old, or the clocks of the replicas differ")
        client, visitor = fields["client"], fields["visitor"]
        return ForwardedCall(
            client and (client[0], client[1]),
            fields["scheme"],
            visitor and (visitor[0], visitor[1]),
        )


def _signature(key: bytes, payload: bytes) -> bytes:
    return hmac.digest(key, payload, hashlib.sha256).hex().encode()
