"""What the tests of the web have: recordings are decoded for real, and each only once."""

import pytest


@pytest.fixture(autouse=True)
def _recordings(_a_recording_is_made_once: None) -> None:
    """`tests/sessions/test_recordings.py` looks at the process itself."""
