"""Language models' streams, passed to speak as they come."""

import json
from collections.abc import Iterable
from typing import Any

import httpx
import pytest

from tests.support.doubles import FakeKaltura, settled
from tests.support.visitor_api import Visit, is_problem, opened, path

EVENT_STREAM = {"Content-Type": "text/event-stream"}
NDJSON = {"Content-Type": "application/x-ndjson"}


def chat(*deltas: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    """Chunks of OpenAI's Chat Completions API, which many others have too."""
    return [
        {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "choices": [{"index": 0, "delta": delta, "finish_reason": None, **more}],
            "usage": None,
        }
        for delta in deltas
    ]


def response(kind: str, **content: Any) -> dict[str, Any]:
    """An event of OpenAI's Responses API."""
    return {"type": f"response.{kind}", "sequence_number": 1, **content}


END = {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {}}]}
USAGE = {"object": "chat.completion.chunk", "choices": [], "usage": {"completion_tokens": 9}}
ROLE = {"role": "assistant", "content": ""}

STREAMS: dict[str, tuple[list[Any], list[str]]] = {
    "OpenAI, chat": (
        [
            *chat(ROLE, {"content": "Dr. Kim"}, {"content": " is in. See"}),
            *chat({"content": " https://x.io/a.b?c=1 today."}),
            *(END, USAGE, "[DONE]"),
        ],
        ["Dr. Kim is in. ", "See x.io today."],
    ),
    "a chat that thinks first": (
        [
            *chat({"role": "assistant", "content": None, "reasoning_content": "The user asks"}),
            *chat({"reasoning_content": " who I am."}, {"content": "Ich bin ein Avatar"}),
            *chat({"content": ". Seit dem 3. Oktober."}),
            *(END, "[DONE]"),
        ],
        ["Ich bin ein Avatar. ", "Seit dem 3. Oktober."],
    ),
    "a chat that calls a tool": (
        [
            *chat({"content": "Un momento. "}),
            *chat({"tool_calls": [{"index": 0, "function": {"arguments": '{"a": "no"}'}}]}),
            *chat({"content": "Ya está."}),
            "[DONE]",
        ],
        ["Un momento. ", "Ya está."],
    ),
    "a chat of two answers": (
        [*chat({"content": "One."}), *chat({"content": "Another."}, index=1), "[DONE]"],
        ["One."],
    ),
    "Azure, chat": (
        [
            {"object": "", "choices": [], "prompt_filter_results": [{"prompt_index": 0}]},
            *chat({"content": "Sí."}, content_filter_results={"hate": {"severity": "safe"}}),
            {"object": "", "choices": [{"index": 0, "content_filter_offsets": {"end_offset": 3}}]},
            "[DONE]",
        ],
        ["Sí."],
    ),
    "Mistral, chat": (
        chat(
            {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}]},
            {"content": [{"type": "text", "text": "نعم. "}, {"type": "reference"}]},
            {"content": "أكيد."},
        ),
        ["نعم. ", "أكيد."],
    ),
    "a chat whose last chunk has all": (
        chat({"role": "assistant", "content": "完成了。「好」"}, finish_reason="stop"),
        ["完成了。", "「好」"],
    ),
    "OpenAI, responses": (
        [
            response("created", response={"instructions": "Be kind."}),
            response("output_item.added", item={"type": "reasoning"}),
            response("reasoning_summary_text.delta", delta="Thinking."),
            response("output_text.delta", delta="Bonjour"),
            response("output_text.delta", delta=" Mme Roux. Ça va ?"),
            response("output_text.done", text="Bonjour Mme Roux. Ça va ?"),
            response("function_call_arguments.delta", delta='{"no": 1}'),
            response("completed", response={"output": [{"text": "x" * 100_000}]}),
        ],
        ["Bonjour Mme Roux. ", "Ça va ?"],
    ),
    "Anthropic, messages": (
        [
            {"type": "message_start", "message": {"role": "assistant", "content": []}},
            {"type": "content_block_start", "content_block": {"type": "text", "text": ""}},
            {"type": "ping"},
            {"type": "content_block_delta", "delta": {"type": "thinking_delta", "thinking": "no"}},
            {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "Hello the"}},
            {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "re."}},
            {"type": "content_block_delta", "delta": {"type": "input_json_delta"}},
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
            {"type": "message_stop"},
        ],
        ["Hello there."],
    ),
}


MARKDOWN = ["## Pl", "an\n\nFirst **mi", "x** it. Then *bake*.\n- See [here](https://x.i", "o/a)."]


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ({}, "Plan\nFirst mix it. Then bake.\nSee here."),
        ({"speech_markdown": "off"}, "".join(MARKDOWN)),
    ],
)
async def test_a_stream_s_markdown_is_not_read_out_unless_the_operator_wants_it(
    visit: Visit, kaltura: FakeKaltura, choice: dict[str, str], said: str
) -> None:
    visitor = await visit(**choice)
    session = await opened(visitor)
    stream = as_events(chat(*({"content": part} for part in MARKDOWN)))
    answer = await visitor.post(path(session, "speak"), content=stream, headers=EVENT_STREAM)
    assert answer.status_code == 200
    await settled()
    sent = [call.body["text"] for call in kaltura.calls if call.operation == "say-text"]
    assert "".join(sent) == said


def as_events(stream: Iterable[Any]) -> bytes:
    """The events as they come over the wire, with names and comments."""
    parts = [": keep-alive\n\n"]
    for event in stream:
        if isinstance(event, dict):
            name = f"event: {event['type']}\n" if "type" in event else ""
            parts.append(f"{name}data: {json.dumps(event)}\n\n")
        else:
            parts.append(f"data: {event}\n\n")
    return "".join(parts).encode()


@pytest.mark.parametrize("name", STREAMS)
async def test_of_a_language_model_s_events_only_its_answer_is_said(
    visitor: httpx.AsyncClient, kaltura: FakeKaltura, name: str
) -> None:
    stream, said = STREAMS[name]
    session = await opened(visitor)
    answer = await visitor.post(
        path(session, "speak"), content=as_events(stream), headers=EVENT_STREAM
    )
    assert answer.status_code == 200, answer.text
    await settled()
    sent = [call.body["text"] for call in kaltura.calls if call.operation == "say-text"]
    assert sent == said


async def test_a_model_s_chunks_may_come_as_lines(
    visitor: httpx.AsyncClient, kaltura: FakeKaltura
) -> None:
    chunks = chat(ROLE, {"content": "Hello."})
    content = "".join(json.dumps(chunk) + "\n" for chunk in chunks).encode()
    session = await opened(visitor)
    answer = await visitor.post(path(session, "speak"), content=content, headers=NDJSON)
    assert answer.status_code == 200
    assert [call.body["text"] for call in kaltura.calls if call.operation == "say-text"] == [
        "Hello."
    ]


@pytest.mark.parametrize(
    "error",
    [
        {"error": {"message": "canary: the model is overloaded", "type": "server_error"}},
        {"type": "error", "message": "canary"},
        {"type": "error", "error": {"type": "overloaded_error"}},
        response("failed", response={"error": {"code": "server_error"}}),
    ],
)
async def test_what_a_model_said_before_its_error_is_said_and_the_error_is_told(
    visitor: httpx.AsyncClient, kaltura: FakeKaltura, error: dict[str, Any]
) -> None:
    session = await opened(visitor)
    stream = [*chat({"content": "Half a sen"}), error]
    answer = await visitor.post(
        path(session, "speak"), content=as_events(stream), headers=EVENT_STREAM
    )
    assert is_problem(answer, "invalid-request", 422)
    assert "language model" in answer.json()["detail"]
    assert "canary" not in answer.text
    await settled()
    assert [call.body["text"] for call in kaltura.calls if call.operation == "say-text"] == [
        "Half a sen"
    ]
