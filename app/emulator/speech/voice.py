"""The voice: text in, speech and the mouth that makes it out.

eSpeak NG is quick, about a thousand times faster than speech, so a sentence is made when it is
wanted and ready within milliseconds, in a thread of its own, away from the event loop.
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
from app.emulator.speech.visemes import Mouths, Samples, mouths_of_phonemes
from app.kaltura.contract import VoiceConfig

NORMAL_WORDS_PER_MINUTE: Final = 165

_TIMBRES: Final = ("f3", "m3", "f2", "m7", "f4", "m1")
"""eSpeak variants that sound least like a robot."""

_LONGEST_PIECE: Final = 240
"""Characters synthesised at once when a text has no sentence end: about 15 s of sound."""

# The last marks are those of Chinese and Japanese, as escapes because they are easily taken for
# Latin ones. A match begins only where a run of marks does, or a long run would be read once for
# each of its marks.
_MARKS: Final = r"[.!?…;:\n\u3002\uff01\uff1f]"
_SENTENCE_END: Final = re.compile(rf"(?<!{_MARKS}){_MARKS}++(?=\s|$|[^\x00-\x7f])")


@dataclass(frozen=True, slots=True)
class Speech:
    """Sound, and the mouth that makes it."""

    samples: Samples
    mouths: Mouths


@dataclass(frozen=True, slots=True)
class Voice:
    """An eSpeak voice such as `en-us+f3`, and how fast it speaks."""

    language: str
    timbre: str
    words_per_minute: int = NORMAL_WORDS_PER_MINUTE

    @classmethod
    def of(cls, config: VoiceConfig | None) -> Self:
        """Return the voice for what create asked for: the same id always sounds the same."""
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
    """Yield `text` in pieces small enough to be spoken without a wait: sentences, mostly."""
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
    """Speaks text; owns the one thread that calls the library.

    Close it when done: it waits for the sentence in work, some milliseconds.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="espeak")

    async def say(self, text: str, voice: Voice) -> Speech:
        """Return the speech for `text`; what cannot be voiced is silence of no length."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, _synthesise, text, voice)

    def close(self) -> None:
        """Stop the thread."""
        self._thread.shutdown(wait=True, cancel_futures=True)


def _synthesise(text: str, voice: Voice) -> Speech:
    sound, phonemes, rate = load_espeak().synthesise(
        text, voice.language, voice.timbre, voice.words_per_minute
    )
    samples = resample(sound, rate)
    return Speech(samples, mouths_of_phonemes(phonemes, samples))
