"""Parity of a tokenizer folder written by sst with Python: `tokenizers` itself and transformers' AutoTokenizer.

The ids file has one JSON list a line of the text file: the ids that sst gives it, special tokens included. Exits
with 1 and the first differences if either library gives others, or if a special token is not what sst wrote.
"""

import argparse
import json
import sys
from pathlib import Path

from tokenizers import Tokenizer
from transformers import AutoTokenizer

SHOWN = 5


def compare(name: str, texts: list[str], expected: list[list[int]], found: list[list[int]]) -> int:
    """The number of lines that differ; the first few are printed."""
    wrong = [i for i in range(len(texts)) if expected[i] != found[i]]
    for i in wrong[:SHOWN]:
        print(f"line {i + 1} {texts[i]!r}\n  sst   {expected[i]}\n  {name} {found[i]}")
    print(f"{name}: {len(texts) - len(wrong)} of {len(texts)} lines have the same ids")
    return len(wrong)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="tokenizer.json and tokenizer_config.json")
    parser.add_argument("texts", type=Path, help="UTF-8, one text a line")
    parser.add_argument("ids", type=Path, help="JSON lines, as many")
    arguments = parser.parse_args()
    # Only \n ends a line, as in sst: str.splitlines would also split at U+2028 and others.
    texts = arguments.texts.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    expected = [json.loads(line) for line in arguments.ids.read_text(encoding="utf-8").splitlines()]
    if len(texts) != len(expected) or not texts:
        sys.exit(f"{len(texts)} texts and {len(expected)} lists of ids")
    library = Tokenizer.from_file(str(arguments.folder / "tokenizer.json"))
    auto = AutoTokenizer.from_pretrained(arguments.folder)
    wrong = compare("tokenizers", texts, expected, [library.encode(text).ids for text in texts])
    wrong += compare("AutoTokenizer", texts, expected, [auto(text)["input_ids"] for text in texts])
    config = json.loads((arguments.folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    for key in ["pad_token", "unk_token", "cls_token", "sep_token", "mask_token", "bos_token", "eos_token"]:
        if getattr(auto, key) != config.get(key):
            print(f"{key} is {getattr(auto, key)!r}, not {config.get(key)!r}")
            wrong += 1
    if auto.model_max_length != config["model_max_length"]:
        print(f"model_max_length is {auto.model_max_length}, not {config['model_max_length']}")
        wrong += 1
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
