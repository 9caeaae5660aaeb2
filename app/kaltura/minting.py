"""Making Kaltura Sessions (KS) with Kaltura's core API, from an admin secret or an app token.

Section numbers are those of the project's factual reference of the API.
"""

import hashlib
from enum import StrEnum
from typing import Annotated, Final, NamedTuple

import httpx
from pydantic import BaseModel, RootModel, SecretStr, StringConstraints

from app.kaltura import errors
from app.kaltura.credentials import AdminSecret, AppToken
from app.kaltura.http import CREDENTIALS_REFUSED, HttpClient, Model, Reply, parse_model, post
from app.kaltura.observation import Observer, no_observer

LIFETIME_SECONDS: Final = 3600
"""The lifetime asked for: an hour in place of Kaltura's default, a day, should a KS leak (2.3).

An app token may allow less.
"""

HASH_TYPES: Final = ("sha256", "sha1", "sha512", "md5")
"""The hash types that an app token may have (2.5), the advised one first, then the default.

The type of a token can't be looked up without an admin KS, so each is tried until one fits.
"""

_ADMIN: Final = 2
_JSON: Final = "1"
_WRONG_HASH: Final = "INVALID_APP_TOKEN_HASH"


class MintCall(StrEnum):
    """The calls that make a KS; each value is its path below `/api_v3/service/` (2.3, 2.5)."""

    START = "session/action/start"
    START_WIDGET_SESSION = "session/action/startWidgetSession"
    START_SESSION = "appToken/action/startSession"


class IssuedKs(NamedTuple):
    """A new KS; `expires_at` is in unix seconds, None where Kaltura does not tell."""

    ks: SecretStr
    expires_at: float | None = None


_KsText = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,8192}$")]


class _Started(RootModel[_KsText]):
    """The answer of session.start: the KS as a bare JSON string (2.3)."""


class _WidgetSession(BaseModel):
    """The answer of startWidgetSession: a KS without privileges, to be combined with a token."""

    ks: _KsText


class _SessionInfo(BaseModel):
    """The answer of appToken.startSession.

    `expiry` is undocumented; Kaltura's server code fills it with unix seconds.
    """

    ks: _KsText
    expiry: int | None = None


class KsMinter:
    """Makes one KS at each call, from an admin secret or an app token."""

    def __init__(
        self,
        *,
        api_url: str,
        credentials: AdminSecret | AppToken,
        transport: httpx.AsyncBaseTransport,
        timeout_seconds: float,
        observer: Observer = no_observer,
    ) -> None:
        self._service_url = f"{api_url}/api_v3/service"
        self._credentials = credentials
        self._http = HttpClient(transport, timeout_seconds, observer)

    async def __call__(self) -> IssuedKs:
        """Make a new admin KS; raises a `KalturaError` when none was made.

        `CredentialsRejectedError` means that Kaltura refused the secret or the token.
        """
        match self._credentials:
            case AdminSecret(partner_id, secret):
                return await self._from_secret(partner_id, secret)
            case AppToken(partner_id, token_id, token):
                return await self._from_token(partner_id, token_id, token)

    async def _from_secret(self, partner_id: int, secret: SecretStr) -> IssuedKs:
        reply = await self._call(
            MintCall.START,
            partnerId=str(partner_id),
            secret=secret.get_secret_value(),
            type=str(_ADMIN),
            expiry=str(LIFETIME_SECONDS),
        )
        return IssuedKs(SecretStr(_success(MintCall.START, reply, _Started).root))

    async def _from_token(self, partner_id: int, token_id: str, token: SecretStr) -> IssuedKs:
        reply = await self._call(MintCall.START_WIDGET_SESSION, widgetId=f"_{partner_id}")
        widget_ks = _success(MintCall.START_WIDGET_SESSION, reply, _WidgetSession).ks
        for hash_type in HASH_TYPES:
            reply = await self._call(
                MintCall.START_SESSION,
                ks=widget_ks,
                id=token_id,
                tokenHash=_token_hash(hash_type, widget_ks, token),
                type=str(_ADMIN),
                expiry=str(LIFETIME_SECONDS),
            )
            if reply.exception_code != _WRONG_HASH:
                break
        info = _success(MintCall.START_SESSION, reply, _SessionInfo)
        return IssuedKs(SecretStr(info.ks), info.expiry)

    async def _call(self, call: MintCall, **fields: str) -> Reply:
        # In the body, never in the URL: URLs get logged.
        request = post(f"{self._service_url}/{call}", {}, data={**fields, "format": _JSON})
        with self._http.exchange(call, request) as exchange:
            reply = await self._http.send(exchange, CREDENTIALS_REFUSED)
            if reply.exception_code not in {None, _WRONG_HASH}:
                raise _refusal(call, reply)
            return reply


def _token_hash(hash_type: str, widget_ks: str, token: SecretStr) -> str:
    content = f"{widget_ks}{token.get_secret_value()}".encode()
    return hashlib.new(hash_type, content, usedforsecurity=False).hexdigest()


def _success(call: MintCall, reply: Reply, model: type[Model]) -> Model:
    """The answer as its model; raises a `KalturaError` for an exception or a broken answer."""
    if reply.exception_code is not None:
        raise _refusal(call, reply)
    content = parse_model(model, reply.content)
    if content is None:
        raise errors.BrokenAnswerError(call, reply.status)
    return content


def _refusal(call: MintCall, reply: Reply) -> errors.KalturaError:
    """The error for an exception that Kaltura answered.

    It is `CredentialsRejectedError`, unless the code says that Kaltura itself failed
    (INTERNAL_SERVERL_ERROR, as Kaltura spells it, or INTERNAL_DATABASE_ERROR).
    """
    broken = (reply.exception_code or "").startswith("INTERNAL_")
    return (errors.RejectedError if broken else errors.CredentialsRejectedError)(call, reply.status)
