"""The check of Kaltura's catalog, which names what visitors may choose."""

from app.config.settings import Settings
from app.doctor.checks import CheckFailed, Verdict
from app.doctor.session_check import kaltura_failure
from app.kaltura.catalog import CatalogClient
from app.kaltura.errors import CredentialsRejectedError, KalturaError
from app.sessions.catalog.catalog import read_offer
from app.sessions.catalog.offer import Offer, offer_of


async def check_catalog(settings: Settings, client: CatalogClient) -> str:
    """Check that the catalog can be read, and that something carries AVATAR_CATALOG_TAG."""
    try:
        offer = await read_offer(settings, client)
    except CredentialsRejectedError as error:
        raise _unread("this KS may not read Kaltura's catalog") from error
    except KalturaError as error:
        raise _unread(f"the catalog: {kaltura_failure(error, settings).text}") from error
    except TimeoutError as error:
        raise _unread("the catalog takes too long to read") from error
    if settings.avatar_catalog_tag is not None and _ids(offer) == _ids(offer_of(settings)):
        raise CheckFailed(
            "nothing else in Kaltura's catalog carries AVATAR_CATALOG_TAG",
            "Add that admin tag to the items that visitors may choose.",
            verdict=Verdict.WARNING,
        )
    nameless = sum(not item.is_named for item in (*offer.avatars.values(), *offer.voices.values()))
    ids = f", {nameless} of which have no name there" if nameless else ""
    return f"avatars to choose: {len(offer.avatars)}, voices: {len(offer.voices)}{ids}"


def _unread(text: str) -> CheckFailed:
    without = "Sessions open without it; visitors see ids in place of names."
    return CheckFailed(text, without, verdict=Verdict.WARNING)


def _ids(offer: Offer) -> tuple[set[str], set[str]]:
    return set(offer.avatars), set(offer.voices)
