"""Preparing a corpus as `datasets` documents it: the peer of `sst data prepare`. Reads a job and writes a result."""

import json
import resource
import sys
import time
from pathlib import Path

START = time.time()

from datasets import load_dataset
from transformers import AutoTokenizer


def main() -> None:
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    tokenizer = AutoTokenizer.from_pretrained(job["tokenizer"])

    def encode(batch: dict) -> dict:
        return {"input_ids": tokenizer(batch["text"], add_special_tokens=False)["input_ids"]}

    rows = load_dataset("text", data_files=job["corpus"], split="train", cache_dir=job["out"] + "/cache")
    rows = rows.map(encode, batched=True, num_proc=job["threads"], remove_columns=["text"])
    rows.save_to_disk(job["out"] + "/rows")
    own, workers = (resource.getrusage(who).ru_maxrss * 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    result = {"seconds": time.time() - START, "peak_memory": max(own, workers)}
    if job["check"]:
        result["ids"] = [rows[i]["input_ids"] for i in range(min(2000, len(rows)))]
    Path(job["result"]).write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main()
