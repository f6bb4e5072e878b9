"""What ``datasets`` does with a hub; run with the name of a user."""

import json
import os
import sys

import steps

USER = sys.argv[1] if len(sys.argv) > 1 else "ann"
ROWS = [{"text": f"row {i}", "label": i % 3} for i in range(300)]

if __name__ == "__main__":
    from datasets import Dataset, DatasetDict, load_dataset
    from huggingface_hub import HfApi

    api = HfApi()


def step_push_and_load():
    parts = DatasetDict(train=Dataset.from_list(ROWS), test=Dataset.from_list(ROWS[:10]))
    parts.push_to_hub(f"{USER}/rows")
    loaded = load_dataset(f"{USER}/rows")
    assert list(loaded["train"]) == ROWS
    assert loaded["test"].num_rows == 10


def step_push_again():
    Dataset.from_list(ROWS[:5]).push_to_hub(f"{USER}/rows", "small")
    assert load_dataset(f"{USER}/rows", "small", split="train").num_rows == 5
    assert load_dataset(f"{USER}/rows", split="train").num_rows == 300


def step_load_plain_files():
    lines = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
    api.create_repo(f"{USER}/lines", repo_type="dataset", private=True)
    api.upload_file(
        path_or_fileobj=lines, path_in_repo="data/train.jsonl", repo_id=f"{USER}/lines", repo_type="dataset"
    )
    assert list(load_dataset(f"{USER}/lines", split="train")) == ROWS


def step_stream():
    stream = load_dataset(f"{USER}/rows", split="train", streaming=True)
    assert [row["text"] for row in stream.take(3)] == ["row 0", "row 1", "row 2"]
    assert sum(1 for _ in load_dataset(f"{USER}/lines", split="train", streaming=True)) == 300


if __name__ == "__main__":
    steps.run(sys.modules["__main__"])
    sys.stdout.flush()
    os._exit(0)  # threads of a stream that was left early would keep the process
