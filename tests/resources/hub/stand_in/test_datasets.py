"""`datasets` in a process of its own: push, load by tag and config, stream, and a second push that changes nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from huggingface_hub import HfApi

from resources.hub.stand_in.server import StandIn, stand_in_environment

PUSH = """
import json, sys
from datasets import Dataset, load_dataset
from huggingface_hub import HfApi
rows = Dataset.from_dict({"problem": ["1+1", "2+2"]})
commits = [rows.push_to_hub("org/set", private=True).oid for _ in range(2)]
Dataset.from_dict({"origin": ["a", "b"]}).push_to_hub("org/set", "provenance")
HfApi().create_tag("org/set", tag="v1.0.0", repo_type="dataset")
Dataset.from_dict({"problem": ["3+3"]}).push_to_hub("org/set")
found = {
    "commits": commits,
    "v1": load_dataset("org/set", split="train", revision="v1.0.0")["problem"][:],
    "provenance": load_dataset("org/set", "provenance", split="train", revision="v1.0.0")["origin"][:],
    "main": [row["problem"] for row in load_dataset("org/set", split="train", streaming=True)],
}
sys.stdout.write(json.dumps(found))
"""
READ = """
import sys
from datasets import load_dataset
from datasets.exceptions import DatasetNotFoundError
for arguments in (dict(revision="v9.9.9"), dict(token=False)):
    try:
        load_dataset("org/set", **arguments)
    except DatasetNotFoundError:
        sys.stdout.write("not found ")
"""


def run(hub: StandIn, code: str) -> str:
    environment = {**os.environ, **stand_in_environment(hub)}
    command = [sys.executable, "-W", "ignore", "-c", code]
    child = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert child.returncode == 0, child.stderr
    return child.stdout


def test_push_tag_and_load(hub: StandIn) -> None:
    found: dict[str, Any] = json.loads(run(hub, PUSH))
    assert found["commits"][0] == found["commits"][1], "the second push is no commit"
    assert (found["v1"], found["provenance"], found["main"]) == (["1+1", "2+2"], ["a", "b"], ["3+3"])
    assert [call for call in hub.calls if call.route == "unknown"] == []
    assert hub.client_folder.joinpath("hub").is_dir(), "nothing lies in the user's cache"


def test_what_may_not_be_read_is_not_found(hub: StandIn, api: HfApi) -> None:
    assert run(hub, READ) == "not found not found "
