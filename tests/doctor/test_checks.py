"""Which steps of an examination count as passed."""

from app.doctor.checks import CheckFailed, CheckRunner, Verdict


async def test_a_step_passes_when_it_was_tried_and_nothing_in_it_is_wrong() -> None:
    checks = CheckRunner(lambda _: None)
    assert not checks.passed("address")

    async def well() -> str:
        return "free"

    async def doubtful() -> str:
        raise CheckFailed("slow", verdict=Verdict.WARNING)

    async def wrong() -> str:
        raise CheckFailed("taken", "Name another.")

    assert await checks.run("address", well)
    assert await checks.run("address", doubtful)
    assert not await checks.run("address", wrong)
    assert not checks.passed("address")
