"""Golden leaks: what of changed sentences of the bundled books stands in chapters of them, found by comparing everything.

Needs nothing but the standard library. `case.json`: `cases`, each with the settings `ngram`, `shingle` and `similarity`, the
`references` and `tests` as texts, the `counts`, and for each test text its `results`: the kind of leak (`exact`, `near`,
`ngram` or null), the number of the reference text that is the first to have it, and for a near duplicate the similarity.
"""

import argparse
import gzip
import json
import random
import re
import sys
import unicodedata
from fractions import Fraction
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
UNSPACED = "\u3005\u3007\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
WORD = re.compile(f"[{UNSPACED}]|[^\\W_{UNSPACED}]+")


def chapters(name: str) -> list[list[str]]:
    text = gzip.decompress((ROOT / "corpora" / name).read_bytes()).decode("utf-8")
    return [chapter.split("\n") for chapter in text.strip().split("\n\n")]


def words(text: str) -> list[str]:
    seen = "".join(c for c in text if unicodedata.category(c) not in ("Cc", "Cf") or c.isspace())
    return WORD.findall("".join(c.lower() for c in unicodedata.normalize("NFKC", seen)))


def runs(text: list[str], length: int) -> list[tuple]:
    return [tuple(text[at:at + length]) for at in range(len(text) - length + 1)]


def most_similar(test: list[str], reference: list[str], shingle: int) -> Fraction:
    own, best = set(runs(test, shingle)), Fraction(0)
    for window in runs(reference, min(len(test), len(reference))):
        others = set(runs(list(window), shingle))
        if own and others:
            best = max(best, Fraction(len(own & others), len(own | others)))
    return best


def search(tests: list[str], references: list[str], ngram: int, shingle: int, similarity: Fraction) -> tuple[dict, list]:
    references = [words(reference) for reference in references]
    # Words have no spaces, so text with a space around every word finds whole words only.
    lines = [f" {' '.join(reference)} " for reference in references]
    ngrams = [set(runs(reference, ngram)) for reference in references]
    counts = dict.fromkeys(["texts", "empty", "repeated", "exact", "exact_short", "near", "too_short_near", "any_ngram",
                            "too_short", "ngrams", "ngrams_found"], 0)
    results, earlier = [], []
    for test in map(words, tests):
        exact = [at for at, line in enumerate(lines) if test and f" {' '.join(test)} " in line]
        near = [(at, most_similar(test, reference, shingle)) for at, reference in enumerate(references)]
        near = [(at, score) for at, score in near if score >= similarity]
        found = [[at for at, known in enumerate(ngrams) if run in known] for run in runs(test, ngram)]
        firsts = [places[0] for places in found if places]
        counts["texts"] += 1
        counts["empty"] += not test
        counts["repeated"] += bool(test) and test in earlier
        counts["exact"] += bool(exact)
        counts["exact_short"] += bool(exact) and len(test) < ngram
        counts["near"] += bool(near) and not exact
        counts["too_short_near"] += len(test) < shingle
        counts["any_ngram"] += bool(firsts)
        counts["too_short"] += len(test) < ngram
        counts["ngrams"] += len(found)
        counts["ngrams_found"] += len(firsts)
        earlier.append(test)
        if exact:
            results.append(["exact", exact[0], None])
        elif near:
            results.append(["near", near[0][0], float(near[0][1])])
        elif firsts:
            results.append(["ngram", min(firsts), None])
        else:
            results.append([None, None, None])
    return counts, results


def changed(generator: random.Random, text: str, others: list[str], chinese: bool) -> str:
    """The text, or another one that is more or less like it."""
    units, joint = (list(text), "") if chinese else (text.split(" "), " ")
    at = generator.randrange(len(units))
    kind = generator.choice(["same", "look", "middle", "last", "first", "cut", "insert", "half", "other", "short"])
    if kind == "look":
        text = text.upper().replace("，", ",").replace("。", " 。\u3000").replace(",", " ,\n")
        return "".join(chr(ord(c) + 0xfee0) if generator.random() < 0.2 and "!" <= c <= "~" else c for c in text)
    if kind in ("middle", "last", "first"):
        place = {"middle": at, "last": len(units) - 2, "first": 0}[kind]
        units[max(place, 0)] = "甲" if chinese else "zounds"
    elif kind == "cut":
        units = units[at // 8:]
    elif kind == "insert":
        units.insert(at, "乙" if chinese else "verily")
    elif kind == "half":
        units = units[:len(units) // 2] + list(reversed(units[len(units) // 2:]))
    elif kind == "other":
        return generator.choice(others)
    elif kind == "short":
        units = units[at:at + 4]
    return joint.join(units)


def case(seed: int, name: str, texts: int, settings: dict) -> dict:
    generator = random.Random(seed)
    chinese = name.startswith("sanguo")
    book = chapters(name)
    chosen = generator.sample(book[:len(book) // 2], 3)
    if chinese:
        chosen = [chapter[:8] for chapter in chosen]
    # Whole chapters, lines of one more, and a short text.
    references = ["\n".join(chapter) for chapter in chosen[:2]] + chosen[2][:20]
    lines = [line for chapter in chosen for line in chapter]
    pieces = [piece for line in lines for piece in (re.findall("[^。]+。", line) if chinese else [line]) if len(piece) > 20]
    others = [line[:90] for chapter in book[len(book) // 2:] for line in chapter]
    tests = [changed(generator, generator.choice(pieces), others, chinese) for _ in range(texts)]
    tests += [tests[0], "", "……——!?", "co\u00adop\u200b", references[-1][:30]]
    counts, results = search(tests, references, settings["ngram"], settings["shingle"], Fraction(str(settings["similarity"])))
    return {**settings, "references": references, "tests": tests, "counts": counts, "results": results}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent, help="folder to write into")
    out = parser.parse_args().out
    usual = {"ngram": 13, "shingle": 5, "similarity": 0.8}
    loose = {"ngram": 8, "shingle": 2, "similarity": 0.6}
    cases = [case(1, "kjv.txt.gz", 120, usual), case(2, "sanguo.txt.gz", 120, usual), case(3, "kjv.txt.gz", 120, loose),
             case(4, "sanguo.txt.gz", 120, loose)]
    made_with = {"python": sys.version.split()[0], "unicode": unicodedata.unidata_version}
    lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases)
    text = f'{{"made_with": {json.dumps(made_with)},\n"cases": [\n{lines}\n]}}\n'
    (out / "case.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
