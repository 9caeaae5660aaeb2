"""Session tokens, taken apart and signed anew."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

from joserfc import jwt
from joserfc.jwk import OctKey

from app.sessions.keyring import keyring_of
from tests.support.doubles import settings

SIGNING = keyring_of(settings()).signing()[0]


def parts_of(token: str) -> tuple[dict[str, Any], dict[str, Any], str]:
    """Its head, its claims and its signature."""
    head, claims, signature = token.split(".")
    return _read(head), _read(claims), signature


def _read(part: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(urlsafe_b64decode(part + "=="))
    return read


def written(part: dict[str, Any]) -> str:
    """A head or claims as they stand in a token."""
    return urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def signed(token: str, key: bytes = SIGNING, algorithm: str = "HS256", **changes: Any) -> str:
    """The same token, but for these claims, or with another key or algorithm."""
    _, claims, _ = parts_of(token)
    kept = {name: value for name, value in (claims | changes).items() if value is not None}
    return jwt.encode({"alg": algorithm}, kept, OctKey.import_key(key), algorithms=[algorithm])
