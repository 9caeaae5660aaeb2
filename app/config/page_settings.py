"""The settings of the broker's own page: whose it is, and what it shows."""

from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, NoDecode

from app.config.setting_types import BarSeparated, HexColour, Text
from app.config.url_types import TamperProofUrl


class PageSettings(BaseSettings):
    """The settings of the page at `/`; sites that embed the avatar look as they like."""

    page_title: Annotated[Text, Field(min_length=1, max_length=80)] = Field(
        "Avatar Broker", description="The title of the broker's page"
    )
    page_logo: TamperProofUrl | None = Field(
        None, description="The picture beside the title: an https address"
    )
    page_accent: HexColour | None = Field(
        None,
        description="The colour of what acts, such as #7a2048; darkened or lightened until it can "
        "be read",
    )
    page_terms_url: TamperProofUrl | None = Field(
        None, description="Your terms, linked where the page introduces itself: an https address"
    )
    page_phrases: Annotated[tuple[Text, ...], NoDecode, BarSeparated] = Field(
        (), description="Texts that the page offers to say, separated by vertical bars"
    )
    page_developer: bool | None = Field(
        None,
        description="Whether the page shows the developer's panel; by default it does in "
        "development alone",
    )
