"""A stand-in for a language model: it answers as OpenAI's API does, from a script."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

from fastapi import Body, FastAPI
from fastapi.responses import StreamingResponse

SECONDS_A_WORD: Final = 0.05
HEARD: Final = "What can you do?"
REPLIES: Final = {
    "hello": "Hello! Ask me what I can do.",
    "what can you do": (
        "I say what a language model writes, **while** it writes it. "
        "You can break in at any time: I stop, and answer what you said last. "
        "This model is only a script. With a key of your own, a real one answers."
    ),
}
ELSE: Final = "You said: {words}. I know no answer to that, as my words come from a script."

scripted_model = FastAPI(openapi_url=None)


@scripted_model.post("/chat/completions")
async def complete(messages: Annotated[list[Any], Body(embed=True)]) -> StreamingResponse:
    """Writes the reply to the last message, word by word."""
    words = messages[-1]["content"].strip(" ?!.")
    reply = REPLIES.get(words.lower()) or ELSE.format(words=words)
    return StreamingResponse(_events(reply), media_type="text/event-stream")


async def _events(reply: str) -> AsyncIterator[str]:
    for word in reply.split(" "):
        await asyncio.sleep(SECONDS_A_WORD)
        chunk = {"choices": [{"index": 0, "delta": {"content": f"{word} "}}]}
        yield f"data: {json.dumps(chunk)}\n\n"
    yield "data: [DONE]\n\n"


@scripted_model.post("/audio/transcriptions")
async def transcribe() -> dict[str, str]:
    """Hears the same words in every recording."""
    return {"text": HEARD}
