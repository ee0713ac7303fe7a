"""Errors of the Hub as one line: the remedy that fits, and nothing in it that is secret."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from huggingface_hub import hf_raise_for_status

from resources.hub.connection import Interrupted, Patience
from resources.hub.refusals import clean, explain


def refusal(status: int, message: str = "", **headers: str) -> Exception:
    """What the client raises for such an answer."""
    request = httpx2.Request("POST", "https://hub.example/api/datasets/org/set/commit/main")
    response = httpx2.Response(status, json={"error": message}, headers=headers, request=request)
    try:
        hf_raise_for_status(response)
    except Exception as error:
        return error
    raise AssertionError(f"no error for {status}")


@pytest.mark.parametrize(
    ("status", "headers", "what", "fix"),
    [
        (400, {}, "the Hub answered 400 (no)", "what the answer names"),
        (401, {"X-Error-Message": "Invalid credentials in Authorization header"}, "not accept the token", "HF_TOKEN"),
        (401, {"X-Error-Code": "RepoNotFound"}, "not there, or not for this token", "HF_TOKEN"),
        (403, {}, "the token may not do this (no)", "write access to datasets of org"),
        (404, {"X-Error-Code": "RepoNotFound"}, "not there, or not for this token", "Check the name"),
        (404, {"X-Error-Code": "RevisionNotFound"}, "no such revision", "a tag"),
        (403, {"X-Error-Code": "GatedRepo"}, "gated", "Ask for access"),
        (409, {}, "the Hub answered 409 (no)", "what the answer names"),
        (412, {}, "the branch has moved (no)", "plans anew"),
    ],
)
def test_each_status_has_its_remedy(status: int, headers: dict[str, str], what: str, fix: str) -> None:
    failure = explain(refusal(status, "no", **headers), "it failed", "org/set", None)
    assert what in failure.error.what
    assert fix in failure.error.fix
    assert failure.status == status
    assert failure.is_unknown is (status == 412)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (403, "Private repository storage limit reached, please upgrade your plan"),
        (403, "Storage quota exceeded"),
        (402, "Payment required"),
        (413, "You have exceeded your quota"),
    ],
)
def test_a_full_quota_is_told_as_such(status: int, message: str) -> None:
    failure = explain(refusal(status, message), "the commit failed", "org/set", None)
    assert "the quota of org is used up" in failure.error.what
    assert "nothing of this commit is visible" in failure.error.fix
    assert not failure.is_unknown


def test_what_the_client_wrapped_is_found() -> None:
    wrapped = RuntimeError("Error while uploading")
    wrapped.__cause__ = Interrupted("slow down", status=429, asked_s=7)
    failure = explain(wrapped, "the commit failed", "org/set", None)
    assert (failure.status, failure.asked_s, failure.is_unknown) == (429, 7, True)
    assert "asks to wait 7 s" in failure.error.fix


@pytest.mark.parametrize(
    "error",
    [
        refusal(403, "no rights for hf_abcdefghijkl and s3cr3t"),
        Interrupted("no rights for hf_abcdefghijkl and s3cr3t", status=500),
        ValueError("no rights for hf_abcdefghijkl\nand s3cr3t"),
        RuntimeError("PUT https://bucket.example/x?X-Amz-Signature=s3cr3t&y=hf_abcdefghijkl failed"),
    ],
)
def test_no_secret_and_no_second_line(error: Any) -> None:
    said = str(explain(error, "it failed", "org/set", "s3cr3t").error)
    assert "s3cr3t" not in said
    assert "hf_abcdefghijkl" not in said
    assert "\n" not in said


def test_text_of_others_is_bounded_and_has_no_control_characters() -> None:
    assert clean("a\x1b[31m\r\nb" + "x" * 1000, None).startswith("a [31m bxxx")
    assert len(clean("x" * 1000, None)) == 240


def test_waits_double_are_bounded_and_do_what_the_hub_asks() -> None:
    slept: list[float] = []
    patience = Patience(attempts=4, wait_s=1, longest_wait_s=3, sleep=slept.append)
    assert [patience.wait(attempt) for attempt in (1, 2, 3, 4)] == [True, True, True, False]
    assert patience.wait(1, 2.5)
    assert not patience.wait(1, 4)
    assert slept == [1, 2, 3, 2.5]
