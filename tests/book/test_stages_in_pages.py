"""The stages of the pages, played in Chromium; each stage of the book, played once more here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect
from stage import BROUGHT_ALONG, STAGE
from stage_scenes import gradient_scenes, replayed, shared_node

from dlcourse.views.stage import Stage, play


def stage_of_shared_node() -> Stage:
    y, names = shared_node()
    return play(y, names=names)


def page_of(*stages: Stage) -> str:
    body = "".join(stage.html() for stage in stages)
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>A stage</title>'
        f"<main><h1>A stage</h1>{body}</main></html>"
    )


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 900, "height": 1200})
    opened = context.new_page()
    problems: list[str] = []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    yield opened
    context.close()
    assert problems == []


def shown(stage: Locator) -> dict[str, str]:
    """The visible red texts of the picture, by the class of the node or edge."""
    found: dict[str, str] = stage.locator(".dl-stage-picture").evaluate(
        """picture => Object.fromEntries([...picture.querySelectorAll("g.node, g.edge")].flatMap(
            part => [...part.querySelectorAll("text[fill='#b3261e']")]
                .filter(text => getComputedStyle(text).visibility === "visible")
                .map(text => [
                    [...part.classList].find(name => /^[ne]\\d+$/.test(name)),
                    text.textContent.trim(),
                ])))"""
    )
    return found


def expected(scenes: list[dict[str, Any]]) -> dict[str, str]:
    """What the picture shows after these scenes of the reverse sweep."""
    texts: dict[str, str] = {}
    for scene in scenes:
        texts[f"n{scene['node']}"] = f"gradient {scene['text']}"
        for sent in scene["sent"]:
            texts[f"e{sent['edge']}"] = sent["text"]
            texts[f"n{sent['node']}"] = f"gradient {sent['totalText']}"
    return texts


def test_each_step_shows_what_was_sent_so_far(page: Page) -> None:
    stage = stage_of_shared_node()
    page.set_content(page_of(stage))
    scenes = gradient_scenes(stage.html())
    on_page = page.locator(".dl-stage")
    assert shown(on_page) == expected(scenes)  # at first the whole sweep, as without a script
    page.get_by_role("button", name="Start").click()
    for step in range(len(scenes)):
        assert shown(on_page) == expected(scenes[: step + 1])
        heading = f"step {step + 1} of {len(scenes)}"
        expect(on_page.locator(".dl-stage-words")).to_contain_text(heading)
        if step + 1 < len(scenes):
            page.get_by_role("button", name="Next").click()
    expect(page.get_by_role("button", name="Next")).to_be_disabled()
    page.get_by_role("button", name="Back").click()
    assert shown(on_page) == expected(scenes[:-1])


def test_the_keyboard_plays_and_keeps_its_place(page: Page) -> None:
    page.set_content(page_of(stage_of_shared_node()))
    words = page.locator(".dl-stage-words")
    page.get_by_role("button", name="Play").focus()
    page.keyboard.press("Home")
    expect(words).to_contain_text("step 1 of 7")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(words).to_contain_text("step 3 of 7")
    page.keyboard.press("ArrowLeft")
    expect(words).to_contain_text("step 2 of 7")
    page.get_by_role("button", name="Next").focus()
    page.keyboard.press("End")
    expect(words).to_contain_text("step 7 of 7")
    assert page.evaluate("document.activeElement.textContent") == "Play"


def test_a_reader_jumps_to_a_step_by_its_name_or_by_its_node(page: Page) -> None:
    page.set_content(page_of(stage_of_shared_node()))
    words = page.locator(".dl-stage-words")
    page.get_by_label("Jump to a step").select_option(label="5. c = a * b")
    expect(words).to_contain_text("step 5 of 7")
    page.locator("g.node", has_text="sin").click()
    expect(words).to_contain_text("v1 = sin(a)")


def test_the_other_sweeps_can_be_played(page: Page) -> None:
    page.set_content(page_of(stage_of_shared_node()))
    stage = page.locator(".dl-stage")
    page.get_by_label("What to play").select_option("values")
    expect(stage.locator(".dl-stage-words")).to_contain_text("Forward: the values, step 1 of 6")
    assert stage.locator("g.n-later").count() == 5
    assert shown(stage) == {}
    page.get_by_label("What to play").select_option("tangents")
    page.get_by_role("button", name="Play").focus()
    page.keyboard.press("End")
    assert shown(stage) == {
        f"n{scene.node}": f"tangent {scene.value:.4g}"
        for scene in stage_of_shared_node().sweeps["tangents"]
    }


def test_it_plays_by_itself_until_the_end(page: Page) -> None:
    page.clock.install()
    page.set_content(page_of(stage_of_shared_node()))
    page.get_by_role("button", name="Play").click()
    words = page.locator(".dl-stage-words")
    expect(words).to_contain_text("step 1 of 7")
    page.clock.run_for(2600)
    expect(words).to_contain_text("step 2 of 7")
    page.get_by_role("button", name="Pause").click()
    page.clock.run_for(60_000)
    expect(words).to_contain_text("step 2 of 7")
    page.get_by_role("button", name="Play").click()
    page.clock.run_for(60_000)
    expect(words).to_contain_text("step 7 of 7")
    expect(page.get_by_role("button", name="Play")).to_be_visible()


def test_two_stages_of_a_page_do_not_disturb_each_other(page: Page) -> None:
    page.set_content(page_of(stage_of_shared_node(), stage_of_shared_node()))
    page.get_by_role("button", name="Start").first.click()
    expect(page.locator(".dl-stage-words").first).to_contain_text("step 1 of 7")
    expect(page.locator(".dl-stage-words").last).to_contain_text("step 7 of 7")
    assert page.locator(".dl-stage-controls").count() == 2


def test_without_a_script_there_is_the_picture_and_every_word(browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.set_content(page_of(stage_of_shared_node()))
    expect(page.locator(".dl-stage-picture svg")).to_be_visible()
    page.locator("summary").click()
    expect(page.get_by_text("It is added to what is there").first).to_be_visible()
    assert page.locator("button").count() == 0
    context.close()


def test_axe_finds_nothing_on_a_stage(page: Page) -> None:
    page.set_content(page_of(stage_of_shared_node(), play(lambda x: (x * x).sum(), np.ones(3))))
    found = Axe().run(page).response["violations"]
    assert [(f["id"], node["html"][:200]) for f in found for node in f["nodes"]] == []


def test_a_page_of_the_book_loads_style_and_script_once() -> None:
    html = stage_of_shared_node().html()
    shared = BROUGHT_ALONG.sub(r"\g<opening>\g<stage>", html)
    assert "<style>" in html and "<script>" in html
    assert "<style>" not in shared and "<script>" not in shared
    assert shared.startswith(STAGE) and shared.endswith("</div>") and "</ol></details>" in shared


def test_in_every_stage_of_the_book_the_parts_add_up(site: Path) -> None:
    played = 0
    for path in sorted((site / "book").glob("*.html")):
        for html in path.read_text(encoding="utf-8").split(STAGE)[1:]:
            scenes = gradient_scenes(html)
            sums = replayed(scenes)
            for scene in scenes:
                np.testing.assert_allclose(scene["value"], sums[scene["node"]], rtol=1e-12)
            played += 1
    assert played >= 2
