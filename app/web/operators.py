"""Who may see what is the operator's: whoever has `OPERATOR_TOKEN`, and nobody when it is unset."""

import hmac
from typing import Annotated

from fastapi import Depends, Request

from app.problems import Unauthenticated
from app.web.deps import SettingsDep
from app.web.visitors import bearer_token


async def _operator(request: Request, settings: SettingsDep) -> None:
    token, sent = settings.operator_token, bearer_token(request)
    if token is None:
        raise Unauthenticated("It is closed: OPERATOR_TOKEN is not set.")
    if sent is None or not hmac.compare_digest(sent.encode(), token.get_secret_value().encode()):
        raise Unauthenticated("Send OPERATOR_TOKEN as `Authorization: Bearer <token>`.")


OperatorDep = Annotated[None, Depends(_operator)]
"""The operator calls; raises `Unauthenticated` for everyone else."""
