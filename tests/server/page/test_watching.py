"""What is drawn is in sight: on the stage, in the queue, in the history."""

import re
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, Route, expect

from tests.server.page.conftest import PHONE
from tests.server.page.test_using import a_picture as a_file
from tests.server.page.test_using import draw, drawn

Visit = Callable[..., Page]


def module(page: Page, name: str) -> str:
    """The address of a module, as the page itself has loaded it."""
    return page.get_attribute("script[type=module]", "src").replace("main.js", f"{name}.js")


class Told:
    """Jobs that a page is told of, as by the server: it answers for them when it is asked."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.jobs: dict[str, dict[str, Any]] = {}
        page.route(re.compile(r"/v1/jobs/(one|two|three)\b"), self._answer)

    def __call__(self, id: str, state: str, prompt: str = "", **more: Any) -> None:
        self.jobs[id] = job = {
            "id": id,
            "state": state,
            "request": {"prompt": prompt or id},
            "pictures": [],
            "inputs": [],
            "step": 3,
            "steps": 25,
            "eta": 2.0,
            "error": None,
            "position": 0,
            "created": 1.0,
            **more,
        }
        self.page.evaluate(
            "async ([jobs, job]) => (await import(jobs)).learn(job)",
            [module(self.page, "jobs"), job],
        )

    def _answer(self, route: Route) -> None:
        if "/pictures/" in route.request.url:
            return route.fulfill(body=a_file(), content_type="image/png")
        return route.fulfill(json=self.jobs[route.request.url.rpartition("/")[2]])


def a_picture(prompt: str) -> dict[str, Any]:
    return {"index": 0, "width": 128, "height": 128, "record": {"prompt": prompt, "seed": 5}}


def test_what_is_drawn_beside_the_picture_that_is_shown_is_in_the_queue(
    visit: Visit, fake: str
) -> None:
    page = visit(fake)
    told = Told(page)
    told("one", "running")
    told("two", "running")
    expect(page.locator("#queue-name")).to_have_text("Drawing: 2")
    told("one", "done", pictures=[a_picture("one")])
    drawn(page, "one")
    expect(page.locator("#queue .running")).to_have_count(1)
    expect(page.locator("#queue-part")).to_be_visible()
    expect(page.locator("#queue-name")).to_have_text("Drawing: 1")
    page.get_by_role("button", name="two", exact=True).click()
    expect(page.locator("#progress-text")).to_have_text("Step 3 of 25 · about 2 s left")
    expect(page.locator("#queue-part")).to_be_hidden()


def test_after_a_cancelled_job_the_next_is_looked_at(visit: Visit, fake: str) -> None:
    page = visit(fake)
    told = Told(page)
    told("one", "running")
    told("two", "running")
    told("one", "cancelled")
    expect(page.locator("#stage")).to_contain_text("Cancelled")
    told("two", "running", step=4)
    expect(page.locator("#progress-text")).to_contain_text("Step 4 of 25")


def test_the_queue_says_how_many_of_each_there_are(visit: Visit, fake: str) -> None:
    page = visit(fake, language="ja-JP")
    told = Told(page)
    for id, state in (("one", "running"), ("two", "queued"), ("three", "failed")):
        told(id, state)
    expect(page.locator("#queue-name")).to_have_text("描画中：1 件・待機中：1 件・失敗：1 件")
    expect(page.locator("#progress-text")).to_have_text("ステップ 3 / 25（残り約 2 秒）")


def test_each_button_of_the_queue_is_told_with_its_job(visit: Visit, fake: str) -> None:
    page = visit(fake)
    told = Told(page)
    told("one", "running", "a cat")
    told("two", "queued", "a dog")
    for name in ("Cancel: a cat", "Cancel: a dog", "Draw next: a dog", "Move up: a dog"):
        expect(page.get_by_role("button", name=name, exact=True)).to_have_count(1)


def test_pictures_of_a_cancelled_job_leave_the_history(visit: Visit, fake: str) -> None:
    page = visit(fake)
    told = Told(page)
    told("one", "running", pictures=[a_picture("a ghost")])
    ghost = page.locator("#shelf button[aria-label*='a ghost']")
    expect(ghost).to_have_count(1)
    told("one", "cancelled")
    expect(ghost).to_have_count(0)


def test_an_answer_that_is_late_does_not_undo_what_happened_since(visit: Visit, fake: str) -> None:
    page = visit(fake)
    told = Told(page)
    told("one", "running")
    told("one", "cancelled")
    told("one", "running", step=11)
    expect(page.locator("#stage")).to_contain_text("Cancelled")
    told("two", "done", pictures=[a_picture("a ghost")])
    ghost = page.locator("#shelf button[aria-label*='a ghost']")
    expect(ghost).to_have_count(1)
    jobs = module(page, "jobs")
    page.evaluate("async (jobs) => (await import(jobs)).forget('two')", jobs)
    told("two", "done", pictures=[a_picture("a ghost")])
    expect(page.locator("#stage")).to_contain_text("Cancelled")
    expect(ghost).to_have_count(0)


def test_a_job_that_has_begun_does_not_wait_for_an_older_answer(visit: Visit, fake: str) -> None:
    page = visit(fake)
    told = Told(page)
    told("one", "running", started=5.0)
    told("one", "queued", started=None, step=0)
    expect(page.locator("#progress-text")).to_contain_text("Step 3 of 25")
    told("one", "queued", started=5.0, step=0)  # it was given back, and waits again
    expect(page.locator("#progress-text")).not_to_contain_text("Step")


def test_what_is_drawn_during_a_search_is_found(visit: Visit, fake: str) -> None:
    page = visit(fake)
    held: list[Route] = []
    page.route(re.compile(r"/v1/jobs\?q=newneedle"), lambda route: held.append(route))
    page.fill("#find", "newneedle")
    for _ in range(100):
        if held:
            break
        page.wait_for_timeout(50)
    draw(page, "a newneedle")
    drawn(page, "a newneedle")
    held[0].fulfill(json={"jobs": [], "next": None})  # from before it was there
    expect(page.locator("#live")).to_have_text(re.compile("1"))
    expect(page.locator("#shelf button")).to_have_count(1)


def dismissed(route: Route) -> None:
    """What a server answers that has deleted the job already, when it is asked to."""
    if route.request.method == "DELETE":
        route.fulfill(status=404, json={})
    else:
        route.fallback()


def test_a_failed_job_that_another_tab_dismissed_goes_too(visit: Visit, fake: str) -> None:
    page = visit(fake, expected=("status of 404",))
    told = Told(page)
    told("one", "failed")
    page.route(re.compile(r"/v1/jobs/one$"), dismissed)
    page.click("#queue [data-act=dismiss]")
    expect(page.locator("#queue-part")).to_be_hidden()
    expect(page.locator("#problem")).to_be_hidden()


def test_two_chosen_pictures_are_compared_by_dragging(visit: Visit, fake: str) -> None:
    page = visit(fake)
    for name in ("left of both", "between", "right of both"):
        draw(page, name)
        drawn(page, name)
    page.fill("#find", "of both")
    expect(page.locator("#shelf button")).to_have_count(2)
    page.click("#choose")
    compare = page.locator("#chosen >> text=Compare")
    page.locator("#shelf button").first.click()
    expect(page.locator("#chosen button", has_text="Compare")).to_be_disabled()
    page.locator("#shelf button").last.click()
    compare.click()
    names = page.locator(".compared .side-name")
    expect(names).to_have_text(["left of both", "right of both"])
    box = page.locator(".compared").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.4)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + box["height"] * 0.4, steps=3)
    page.mouse.up()
    edge = page.locator(".compared .edge").evaluate("each => parseFloat(each.style.left)")
    assert abs(edge - 25) < 1
    assert abs(float(page.locator(".compared input").input_value()) - 25) < 1


def test_pictures_that_go_together_are_said_to(visit: Visit, fake: str) -> None:
    page = visit(fake)
    page.fill("#count", "3")
    draw(page, "three of a kind")
    drawn(page, "three of a kind")
    page.fill("#find", "three of a kind")
    expect(page.locator("#shelf button")).to_have_count(3)
    said: list[str] = []

    def refused(asked: Any) -> None:
        said.append(asked.message)
        asked.dismiss()

    page.on("dialog", refused)
    page.click("#choose")
    page.locator("#shelf button").first.click()
    page.click("#chosen >> text=Delete")
    page.click("#choose")
    page.locator("#shelf button").first.click()
    page.locator("dialog footer >> text=Delete").click()
    assert len(said) == 2
    for each in said:
        assert "drawn together are deleted together" in each
        assert "3" in each
    page.keyboard.press("Escape")
    expect(page.locator("#shelf button")).to_have_count(3)


def test_on_a_phone_the_details_lie_below_the_picture(visit: Visit, fake: str) -> None:
    page = visit(fake, size=PHONE)
    page.fill("#prompt", "a phone")
    page.click("#generate")
    drawn(page, "a phone")
    page.click("#stage .open")
    page.click("dialog [data-act=i]")
    first = page.locator(".info dt").first
    first.scroll_into_view_if_needed()
    expect(first).to_have_text("Prompt")
    image, info = page.locator(".view img").bounding_box(), first.bounding_box()
    assert image is not None
    assert info is not None
    assert info["y"] >= image["y"] + image["height"]


def test_several_pictures_leave_their_buttons_in_sight(visit: Visit, fake: str) -> None:
    page = visit(fake)
    page.fill("#count", "8")
    draw(page, "eight")
    drawn(page, "eight")
    expect(page.locator("#stage .strip button")).to_have_count(8)
    page.evaluate("scrollTo(0, 0)")
    box = page.locator("#stage .caption").bounding_box()
    assert box is not None
    assert box["y"] + box["height"] <= 800
