"""Golden token ids of transformers' BertTokenizer for a vocab.txt.

`vocab.txt`: special tokens, then the commonest characters, words and word ends of the two bundled books and a few
lines of other scripts. `case.json`: `texts`, and for each of `settings` (the keys of tokenizer_config.json) the `ids`
of every text with spaces between, special tokens included. The texts are verses, lines of Chinese, and what tokenizers get wrong.
"""

import argparse
import gzip
import json
import sys
import tempfile
from collections import Counter
from pathlib import Path

import tokenizers
import transformers
from transformers import BertTokenizer

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from goldens.casefile import save_json  # noqa: E402

ROOT = Path(__file__).resolve().parents[3]
SETTINGS = [
    {},
    {"do_lower_case": False},
    {"do_lower_case": True, "strip_accents": False},
    {"do_lower_case": False, "strip_accents": True},
    {"tokenize_chinese_chars": False},
    {"unk_token": "[MASK]"},
]
AWKWARD = [
    "",
    "   ",
    "Hello, World!",
    "naïve café façade Ångström ÀÉÎÕÜ ñ ç ß İ ı",
    "e\u0301a\u0300 decomposed and \u00e9\u00e0 composed",
    "刘备、关羽、张飞三人，桃园结义。",
    "mixed 中文 and English混排text没有空格",
    "㐀𠀀豈 rare ideographs, かな and ハングル 한국어",
    "full width：ＡＢＣ１２３，。！？（）「」",
    "tabs\tnew\nlines\r\nand\u00a0no-break\u3000ideographic spaces",
    "zero\u200bwidth soft\u00adhyphen \ufeffbom \u0000null \ufffdreplacement control\u0007bell",
    "emoji 😀👍🏽👨‍👩‍👧 and ©®™ €£¥ $5.00 100% #tag @user a_b ~x^y`z|",
    "[CLS] [SEP] [MASK] [PAD] [UNK] [mask] [MASK]word word[MASK]",
    "## ##ing un##able",
    "don't we're o'clock “quoted” ‘single’ — dash – en…",
    "x" * 100,
    "x" * 101,
    "antidisestablishmentarianism supercalifragilisticexpialidocious",
    "Ωμέγα Кириллица עברית العربية हिन्दी ไทย",
    "1,234.56 -7 3.14e-10 2026-11-23T18:47:00Z https://example.org/a?b=c&d=e",
]


def lines(name: str) -> list[str]:
    with gzip.open(ROOT / "corpora" / name, "rt", encoding="utf-8") as file:
        return [line.strip() for line in file if line.strip()]


def vocabulary(english: list[str], chinese: list[str]) -> list[str]:
    def commonest(counter: Counter, count: int) -> list[str]:
        return [key for key, _ in sorted(counter.items(), key=lambda item: (-item[1], item[0]))[:count]]

    words = [word.strip(".,;:!?()'\"") for line in english for word in line.split()]
    either = Counter(words) + Counter(word.lower() for word in words)
    ends = Counter(word[at:].lower() for word in words for at in range(1, len(word)))
    characters = Counter("".join(chinese)) + Counter("".join(AWKWARD)) + Counter("".join(english))
    single = sorted(c for c in commonest(characters, 1800) if not c.isspace() and c.isprintable())
    continued = ["##" + c for c in single if c.isascii() or not "\u3400" <= c <= "\u9fff"]
    tokens = ["[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *single, *continued,
              *commonest(either, 1200), *("##" + end for end in commonest(ends, 400))]
    return list(dict.fromkeys(token for token in tokens if token.strip("#")))


def encode(tokenizer: BertTokenizer, text: str) -> str:
    """The ids, with spaces between: one line of JSON."""
    return " ".join(map(str, tokenizer(text)["input_ids"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    out = parser.parse_args().out
    english, chinese = lines("kjv.txt.gz"), lines("sanguo.txt.gz")
    texts = AWKWARD + english[::900] + [line[:200] for line in chinese[::100][:30]]
    vocab = vocabulary(english, chinese)
    # A token that stands twice: the later line counts.
    (out / "vocab.txt").write_text("\n".join([*vocab, "the"]) + "\n", encoding="utf-8", newline="\n")
    cases = []
    for settings in SETTINGS:
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "vocab.txt").write_bytes((out / "vocab.txt").read_bytes())
            Path(folder, "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
            tokenizer = BertTokenizer.from_pretrained(folder)
            cases.append({"settings": settings, "ids": [encode(tokenizer, text) for text in texts]})
    versions = {"transformers": transformers.__version__, "tokenizers": tokenizers.__version__}
    save_json(out / "case.json", {"made_with": versions, "texts": texts, "cases": cases})


if __name__ == "__main__":
    main()
