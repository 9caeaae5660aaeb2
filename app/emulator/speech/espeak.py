"""Speech synthesis by eSpeak NG, through its C interface.

The library has one global state a process and is not thread-safe, so every call holds a lock. The
C types follow its header, `speak_lib.h` (revision 12).
"""

import ctypes
import threading
from functools import cache
from typing import Any, Final

import espeakng_loader
import numpy as np

from app.emulator.speech.visemes import Phoneme, Samples

_SYNCHRONOUS: Final = 2
_PHONEME_EVENTS_IN_IPA: Final = 0x0003
_DO_NOT_EXIT: Final = 0x8000
_UTF8: Final = 1
_END_PAUSE: Final = 0x1000
_EVENT_END_OF_LIST: Final = 0
_EVENT_PHONEME: Final = 7
_PARAMETER_RATE: Final = 1
_BUFFER_MILLISECONDS: Final = 200


class _EventId(ctypes.Union):
    _fields_ = (
        ("number", ctypes.c_int),
        ("name", ctypes.c_char_p),
        ("string", ctypes.c_char * 8),
    )


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    )


_SynthCallback: Any = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class Espeak:
    """The loaded library; its callback collects the sound and phonemes of the current call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        self._library.espeak_Synth.argtypes = (
            ctypes.c_char_p,
            ctypes.c_size_t,
            ctypes.c_uint,
            ctypes.c_int,
            ctypes.c_uint,
            ctypes.c_uint,
            ctypes.c_void_p,
            ctypes.c_void_p,
        )
        self._rate = self._library.espeak_Initialize(
            _SYNCHRONOUS,
            _BUFFER_MILLISECONDS,
            espeakng_loader.get_data_path().encode(),
            _PHONEME_EVENTS_IN_IPA | _DO_NOT_EXIT,
        )
        if self._rate <= 0:
            raise RuntimeError("eSpeak NG could not be started; is espeakng-loader whole?")
        self._sound: list[Samples] = []
        self._phonemes: list[Phoneme] = []
        # Kept alive here: the library has only a pointer to the callback.
        self._callback = _SynthCallback(self._collect)
        self._library.espeak_SetSynthCallback(self._callback)

    def synthesise(
        self, text: str, language: str, variant: str, words_per_minute: int
    ) -> tuple[Samples, list[Phoneme], int]:
        """Return sound, phonemes and the sound's sample rate in Hz.

        An unknown language is spoken as English.
        """
        spoken = text.replace("\0", " ").encode(errors="replace")
        with self._lock:
            self._sound, self._phonemes = [], []
            self._choose(language, variant)
            self._library.espeak_SetParameter(_PARAMETER_RATE, words_per_minute, 0)
            self._library.espeak_Synth(
                spoken, len(spoken) + 1, 0, 1, 0, _UTF8 | _END_PAUSE, None, None
            )
            sound = np.concatenate([np.zeros(0, np.int16), *self._sound])
            return sound, self._phonemes, self._rate

    def _choose(self, language: str, variant: str) -> None:
        """Select the voice of the language, else of its primary subtag, else of English."""
        for name in (language, language.partition("-")[0], "en-us"):
            if self._library.espeak_SetVoiceByName(f"{name}+{variant}".encode()) == 0:
                return

    def _collect(self, sound: Any, count: int, events: Any) -> int:
        if sound and count:
            self._sound.append(np.ctypeslib.as_array(sound, (count,)).copy())
        index = 0
        while (event := events[index]).type != _EVENT_END_OF_LIST:
            if event.type == _EVENT_PHONEME:
                ipa = bytes(event.id.string).decode(errors="ignore")
                self._phonemes.append(Phoneme(event.audio_position / 1000, ipa))
            index += 1
        return 0


@cache
def load_espeak() -> Espeak:
    """Load the library, or return it when it is loaded already."""
    return Espeak()
