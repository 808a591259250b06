"""Gives transformers the tokenizer folders that sst saved, and compares ids with those of the original folders.

Run after `cargo test -p sst-data --test it folders`, which loads every folder of tests/goldens/folders and saves it
under target/tmp/tokenizer-folders.
"""

import argparse
import json
import os
import sys
import warnings
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"
warnings.filterwarnings("ignore")

from transformers import AutoTokenizer  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--saved", type=Path, default=ROOT / "target/tmp/tokenizer-folders")
    saved = parser.parse_known_args()[0].saved
    if not saved.is_dir():
        sys.exit(f"{saved} is not there: run cargo test -p sst-data --test it folders first")
    golden = json.loads((ROOT / "tests/goldens/folders/case.json").read_text(encoding="utf-8"))
    wrong = 0
    for number, case in enumerate(golden["cases"]):
        tokenizer = AutoTokenizer.from_pretrained(saved / str(number))
        ids = [" ".join(map(str, tokenizer(text)["input_ids"])) for text in golden["texts"]]
        roles = {name: getattr(tokenizer, f"{name}_token_id") for name in case["roles"]}
        if ids != case["ids"] or roles != case["roles"]:
            wrong += 1
            print(f"{case['name']}: {ids}, {roles}, not {case['ids']}, {case['roles']}")
    print(f"{len(golden['cases'])} folders, {wrong} wrong")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
