"""Parity of tokenizers trained by sst with Python: `tokenizers` itself and transformers' AutoTokenizer.

Trains WordPiece, BPE and Unigram with the sst binary on the two bundled books, encodes a thousand lines and more of
each with it, and compares every id. Exits with 1 and the first differences if either library gives others, or if a
special token is not what sst wrote.
"""

import argparse
import gzip
import json
import subprocess
import sys
from pathlib import Path

from tokenizers import Tokenizer
from transformers import AutoTokenizer

SHOWN = 5
LINES = 1_000
BOOKS = ["kjv", "sanguo"]
ALGORITHMS = ["wordpiece", "bpe", "unigram"]
ROOT = Path(__file__).resolve().parents[2]
# What books do not have: mixed scripts, accents, emoji, other white space, special tokens spelled out.
AWKWARD = [
    "a", "...", "  two  spaces ", "naïve café Ünïcödé", "中文 and English 混合 text", "1,234.5 % 42nd", "👩‍👩‍👧‍👦 🇨🇳",
    "[MASK] of [SEP]", "tab\there", "don't can't", "ａｂｃ　全角", "\u00a0no-break\u00a0", "x" * 150, "русский 日本語テキスト",
]


def lines_of(book: str) -> list[str]:
    """Every line that is not blank, evenly spread, and the awkward ones."""
    with gzip.open(ROOT / "corpora" / f"{book}.txt.gz", "rt", encoding="utf-8") as file:
        lines = [line.rstrip("\n") for line in file if line.strip()]
    return lines[:: max(1, len(lines) // LINES)] + AWKWARD


def compare(name: str, texts: list[str], expected: list[list[int]], found: list[list[int]]) -> int:
    """The number of lines that differ; the first few are printed."""
    wrong = [i for i in range(len(texts)) if expected[i] != found[i]]
    for i in wrong[:SHOWN]:
        print(f"{texts[i]!r}\n  sst   {expected[i]}\n  {name} {found[i]}")
    print(f"  {name}: {len(texts) - len(wrong)} of {len(texts)} lines have the same ids")
    return len(wrong)


def check(sst: Path, folder: Path, book: str, algorithm: str) -> int:
    """Trains one tokenizer and returns how many lines and settings differ."""
    print(f"{book} {algorithm}")
    corpus = ROOT / "corpora" / f"{book}.txt.gz"
    train = [sst, "tokenizer", "train", corpus, "--algorithm", algorithm, "--vocab-size", "4096", "--out", folder]
    subprocess.run(train, check=True, stderr=subprocess.DEVNULL)
    texts = lines_of(book)
    encode = [sst, "tokenizer", "encode", "--tokenizer", folder, "--special", "--json"]
    answer = subprocess.run(encode, check=True, input="\n".join(texts) + "\n", capture_output=True, encoding="utf-8")
    expected = [json.loads(line)["ids"] for line in answer.stdout.removesuffix("\n").split("\n")]
    if len(expected) != len(texts):
        print(f"  sst answered {len(expected)} lines to {len(texts)} texts")
        return 1
    library = Tokenizer.from_file(str(folder / "tokenizer.json"))
    auto = AutoTokenizer.from_pretrained(folder)
    wrong = compare("tokenizers", texts, expected, [library.encode(text).ids for text in texts])
    wrong += compare("AutoTokenizer", texts, expected, [auto(text)["input_ids"] for text in texts])
    config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    for key in ["pad_token", "unk_token", "cls_token", "sep_token", "mask_token", "model_max_length"]:
        if getattr(auto, key) != config.get(key):
            print(f"  {key} is {getattr(auto, key)!r}, not {config.get(key)!r}")
            wrong += 1
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sst", type=Path, required=True, help="the binary")
    parser.add_argument("--out", type=Path, required=True, help="the folder that tokenizers are written to")
    arguments = parser.parse_args()
    cases = [(book, algorithm) for book in BOOKS for algorithm in ALGORITHMS]
    wrong = sum(check(arguments.sst.resolve(), arguments.out / f"{b}-{a}", b, a) for b, a in cases)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
