"""Golden entities and counts of seqeval, over 1,000 random sequences of labels for each scheme.

`case.json` has a line for each scheme. `labels` is its table of labels; `gold` and `predicted` are sequences with a digit
(0-9, then a-z) for each label. `lenient` is seqeval's default mode and `strict` is `mode="strict"` with the scheme; both
hold `spans` (start, end after the last token, type) of the first predicted sequences, `counts` of each sequence and
`types` (right, predicted, gold) and `averages` (precision, recall, F1) over all of them.

seqeval does not know BMES, so its labels are renamed to those of IOBES. It has no strict mode for IO, whose labels are a
part of those of IOB1.
"""

import argparse
import json
import random
import warnings
from collections import Counter
from pathlib import Path

import seqeval.metrics.sequence_labeling as lenient
import seqeval.metrics.v1 as strict
from importlib.metadata import version
from seqeval.scheme import BILOU, IOB1, IOB2, IOBES, Entities

TYPES = ["LOC", "ORG", "PER"]
SEQUENCES = 1000
SPANS = 60
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
# For each scheme: its letters, seqeval's class, and the letters that seqeval's default mode (first) and its class
# (second) know in their place.
SCHEMES = {
    "IO": ("I", IOB1, {}, {}),
    "IOB1": ("BI", IOB1, {}, {}),
    "IOB2": ("BI", IOB2, {}, {}),
    "BIOES": ("BIES", IOBES, {}, {}),
    "BMES": ("BMES", IOBES, {"M": "I"}, {"M": "I"}),
    "BILOU": ("BILU", BILOU, {"L": "E", "U": "S"}, {}),
}


def rename(sequence: list[str], letters: dict[str, str]) -> list[str]:
    return [letters.get(label[0], label[0]) + label[1:] for label in sequence]


def legal(generator: random.Random, scheme: str, length: int) -> list[str]:
    """A sequence of `length` labels as the scheme wants them, with entities of one to three tokens."""
    sequence, before = [], None
    first, inside, last, single = {
        "IO": "IIII", "IOB1": "IIII", "IOB2": "BIIB", "BIOES": "BIES", "BMES": "BMES", "BILOU": "BILU",
    }[scheme]
    while len(sequence) < length:
        if generator.random() < 0.5:
            sequence.append("O")
            before = None
            continue
        size, kind = min(generator.randint(1, 3), length - len(sequence)), generator.choice(TYPES)
        letters = single if size == 1 else first + inside * (size - 2) + last
        if scheme == "IOB1" and before == kind:
            letters = "B" + letters[1:]
        sequence += [f"{letter}-{kind}" for letter in letters]
        before = kind
    return sequence


def sequences(generator: random.Random, scheme: str, labels: list[str]) -> tuple[list, list]:
    """Half of the gold sequences are legal. Predictions are gold with some labels changed, or labels at random."""
    all_gold, all_predicted = [], []
    for index in range(SEQUENCES):
        length = generator.randint(0, 12)
        noise = [generator.choice(labels) for _ in range(length)]
        gold = legal(generator, scheme, length) if index % 2 else noise
        rate = generator.choice([0.0, 0.1, 0.3, 1.0])
        predicted = [generator.choice(labels) if generator.random() < rate else label for label in gold]
        all_gold.append(gold)
        all_predicted.append(predicted)
    return all_gold, all_predicted


def found_by_default(sequence: list[str]) -> set[tuple]:
    return {(start, end + 1, kind) for kind, start, end in lenient.get_entities(sequence)}


def found_strictly(sequence: list[str], scheme: type) -> set[tuple]:
    return {(entity.start, entity.end, entity.tag) for entity in Entities([sequence], scheme).entities[0]}


def mode(gold: list, predicted: list, find, averaged) -> dict:
    pairs = [(find(gold), find(predicted)) for gold, predicted in zip(gold, predicted)]
    types = {kind: [0, 0, 0] for kind in TYPES}
    for wanted, found in pairs:
        for at, entities in enumerate((wanted & found, found, wanted)):
            for kind, count in Counter(entity[2] for entity in entities).items():
                types[kind][at] += count
    averages = {average: [float(figure) for figure in averaged(gold, predicted, average)[:3]]
                for average in ("micro", "macro", "weighted")}
    # The public figures of each type say the same as the counts.
    for kind, precision, recall, _, support in zip(TYPES, *averaged(gold, predicted, None)):
        right, all_found, all_wanted = types[kind]
        assert support == all_wanted and abs(precision - right / all_found) < 1e-12
        assert abs(recall - right / all_wanted) < 1e-12
    return {
        "types": types,
        "averages": averages,
        "counts": [[len(wanted & found), len(found), len(wanted)] for wanted, found in pairs],
        "spans": [sorted(found) for _, found in pairs[:SPANS]],
    }


def case(generator: random.Random, name: str) -> dict:
    letters, scheme, default_letters, scheme_letters = SCHEMES[name]
    labels = ["O"] + [f"{letter}-{kind}" for letter in letters for kind in TYPES]
    gold, predicted = sequences(generator, name, labels)
    renamed = [[rename(sequence, default_letters) for sequence in part] for part in (gold, predicted)]
    by_default = mode(*renamed, found_by_default, lambda gold, predicted, average: (
        lenient.precision_recall_fscore_support(gold, predicted, average=average)))
    renamed = [[rename(sequence, scheme_letters) for sequence in part] for part in (gold, predicted)]
    strictly = mode(*renamed, lambda sequence: found_strictly(sequence, scheme), lambda gold, predicted, average: (
        strict.precision_recall_fscore_support(gold, predicted, average=average, scheme=scheme)))
    digits = {label: digit for label, digit in zip(labels, DIGITS)}
    encode = lambda part: ["".join(digits[label] for label in sequence) for sequence in part]
    return {"scheme": name, "labels": labels, "gold": encode(gold), "predicted": encode(predicted),
            "lenient": by_default, "strict": strictly}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent, help="folder to write into")
    out = parser.parse_args().out
    warnings.simplefilter("ignore")
    generator = random.Random(7)
    cases = [json.dumps(case(generator, name), separators=(",", ":")) for name in SCHEMES]
    made_with = json.dumps({"seqeval": version("seqeval")})
    (out / "case.json").write_text(
        f'{{"made_with": {made_with},\n"schemes": [\n' + ",\n".join(cases) + "\n]}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
