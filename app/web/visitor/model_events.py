"""Reads the text of events that language models stream, which callers may send as they come."""

from typing import Any

from pydantic import ValidationError

from app.problems import InvalidRequest
from app.web.visitor.schemas import TextLine


def text_in(line: Any) -> str:
    """The text in one line or event; empty in an event that has none, such as one of usage.

    A line is `{"text": "..."}`, or an event of OpenAI's Chat Completions or Responses API or of
    Anthropic's Messages API. Raises `InvalidRequest` for anything else, and for an event that
    reports an error.
    """
    match line:
        case {"error": dict()} | {"type": "error" | "response.failed"}:
            raise InvalidRequest("The language model reports an error; what came before is said.")
        case {"choices": list(choices)}:
            return "".join(map(_of_choice, choices))
        case {"type": "response.output_text.delta", "delta": str(text)}:
            return text
        case {"type": "content_block_delta", "delta": {"type": "text_delta", "text": str(text)}}:
            return text
        case {"type": str(kind)} if kind.startswith(("response.", "content_block_", "message_")):
            return ""
        case {"type": "ping"}:
            return ""
    try:
        return TextLine.model_validate(line).text
    except ValidationError:
        raise InvalidRequest(
            'Each line must be {"text": "..."}, or an event of a language model.'
        ) from None


def _of_choice(choice: Any) -> str:
    """The text that the first of several answers adds; the others must not be said with it."""
    match choice:
        case {"index": int(index)} if index != 0:
            return ""
        case {"delta": {"content": str(text)}}:
            return text
        case {"delta": {"content": list(parts)}}:  # as Mistral's models send that think first
            return "".join(map(_of_part, parts))
        case _:
            return ""


def _of_part(part: Any) -> str:
    match part:
        case {"type": "text", "text": str(text)}:
            return text
        case _:
            return ""
