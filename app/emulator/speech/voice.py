"""Speech synthesis: from a text to sound and the shapes of the mouth.

eSpeak NG is about a thousand times faster than speech, so each sentence is synthesised when it is
due, within milliseconds. It runs in its own thread, so that it does not block the event loop.
"""

import asyncio
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, Self

from app.emulator.speech.espeak import load_espeak
from app.emulator.speech.resampling import resample
from app.emulator.speech.visemes import MouthShapes, Samples, shapes_of_phonemes
from app.kaltura.contract import VoiceConfig

NORMAL_WORDS_PER_MINUTE: Final = 165

_TIMBRES: Final = ("f3", "m3", "f2", "m7", "f4", "m1")
"""The variants of eSpeak's voices that sound most natural."""

_LONGEST_PIECE: Final = 240
"""The most characters synthesised at once, where a text has no sentence end: about 15 s."""

# The last marks are Chinese and Japanese; they are escaped, as they look like Latin ones. A match
# begins only where a run of marks does, so that a long run is not scanned once for each mark.
_MARKS: Final = r"[.!?…;:\n\u3002\uff01\uff1f]"
_SENTENCE_END: Final = re.compile(rf"(?<!{_MARKS}){_MARKS}++(?=\s|$|[^\x00-\x7f])")


@dataclass(frozen=True, slots=True)
class Speech:
    """Sound, and the shapes of the mouth for it."""

    samples: Samples
    mouths: MouthShapes


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice of eSpeak, such as `en-us+f3`, with its speed."""

    language: str
    timbre: str
    words_per_minute: int = NORMAL_WORDS_PER_MINUTE

    @classmethod
    def of(cls, config: VoiceConfig | None) -> Self:
        """The voice for a create's voice config; one id always gives the same voice."""
        config = config or VoiceConfig()
        known = re.fullmatch(
            r"emulator-voice-([a-z]{2,3}(?:-[a-z]{2})?)-(\d{1,3})", config.id or ""
        )
        language = config.language or (known[1] if known else "en-us")
        if known:
            number = int(known[2]) - 1
        else:
            digest = blake2b((config.id or "").encode(), digest_size=2).digest()
            number = int.from_bytes(digest) if config.id else 0
        return cls(
            language=language.lower(),
            timbre=_TIMBRES[number % len(_TIMBRES)],
            words_per_minute=round(NORMAL_WORDS_PER_MINUTE * (config.speed or 1.0)),
        )


def sentences(text: str) -> Iterator[str]:
    """Split `text` into sentences, and longer sentences into pieces of `_LONGEST_PIECE`."""
    start = 0
    for end in (*(match.end() for match in _SENTENCE_END.finditer(text)), len(text)):
        yield from _chunks(text[start:end].strip())
        start = end


def _chunks(sentence: str) -> Iterator[str]:
    rest = sentence
    while len(rest) > _LONGEST_PIECE:
        cut = rest.rfind(" ", 1, _LONGEST_PIECE)
        cut = cut if cut > 0 else _LONGEST_PIECE
        yield rest[:cut]
        rest = rest[cut:].strip()
    if rest:
        yield rest


class SpeechEngine:
    """Synthesises texts in one thread of its own, which `close` stops."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="espeak")

    async def synthesise(self, text: str, voice: Voice) -> Speech:
        """Synthesise `text`; a text that can't be pronounced gives speech of no length."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, _synthesise, text, voice)

    def close(self) -> None:
        """Stop the thread, after the sentence that it synthesises, some milliseconds."""
        self._thread.shutdown(wait=True, cancel_futures=True)


def _synthesise(text: str, voice: Voice) -> Speech:
    sound, phonemes, rate = load_espeak().synthesise(
        text, voice.language, voice.timbre, voice.words_per_minute
    )
    samples = resample(sound, rate)
    return Speech(samples, shapes_of_phonemes(phonemes, samples))
