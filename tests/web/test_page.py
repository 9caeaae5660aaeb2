"""What the avatar's page says before its scripts have run."""

import re

from tests.support.visitor_api import Visit


async def test_the_page_has_the_controls_that_a_visitor_may_use(visit: Visit) -> None:
    page = (await (await visit(visitor_controls=("speak", "end"))).get("/")).text
    (controls,) = re.findall(r'<kaltura-avatar [^>]*controls="([^"]*)"', page)
    assert controls == "start composer end captions transcript fullscreen"
    assert re.findall(r"<button [^>]*>(Start|Stop|End)<", page) == ["Start", "End"]
