"""Golden windows of transformers' fast tokenizers: `return_overflowing_tokens` with `stride`.

`tokenizer.json`: a small byte-level BPE. `case.json`: the `texts`, and for each of `cases` the `tokenizer` (`bert` is
goldens/tokenizer/vocab.txt), the index of its `text` and of its `question` (null for a single text), `max_length` and
`stride`, the `windows` and the `spans`. A window has its `input_ids`, the `offsets` of the tokens of its text in
characters (start and end of one after the other), and the position of the first of them (`at`). `spans` are the first
character of each and the position after its last one, its first token among all tokens of the text and the position
after its last one. Numbers have spaces between.
"""

import argparse
import random
import shutil
import sys
import tempfile
from pathlib import Path

import tokenizers
import transformers
from transformers import BertTokenizer, PreTrainedTokenizerFast

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from goldens.casefile import save_json  # noqa: E402

HERE = Path(__file__).resolve().parent
TEXTS = [
    "EU rejects German call to boycott British lamb .",
    "Peter Blackburn flew from Brussels to Paris, and came back on 22 August 1996.",
    "刘备、关羽、张飞三人，桃园结义，誓同生死。",
    "In 2018 北京 hosted a summit 😀 with 3 delegates from São Paulo – née Müller, 5 km away…",
    "👍🏽👨‍👩‍👧 families are many code points; naïve café façade too.",
    "  Double  spaces   and\ttabs are\nin this text .  ",
    "The quick brown fox jumps over the lazy dog while thirty-three small foxes sleep in the den near the river. " * 2,
]
# A question or none, the longest sequence, and the tokens that windows share.
SETTINGS = [(None, 9, 3), (None, 16, 0), (None, 24, 17), (0, 36, 4), (1, 34, 2), (2, 400, 64)]
QUESTIONS = ["Who rejects the call?", "谁在桃园结义？", "Where?"]


# What the byte-level vocabulary has as one token: words with the space in front of them, and of some characters of
# several bytes the whole or a part, as (text, first byte, last byte).
WORDS = [" Paris", " Brussels", "EU", " German", " British", " the", " fox", " and", " in", " is", " small", "  "]
PARTS = [("刘", 0, 3), ("备", 0, 2), ("京", 1, 3), ("😀", 0, 2), ("😀", 2, 4), ("ã", 0, 2), ("、", 0, 2), (" ü", 0, 2)]


def byte_level() -> PreTrainedTokenizerFast:
    """Byte-level BPE as GPT-2's, with a token in front of every text."""
    spell = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False).pre_tokenize_str
    pieces = [spell(word)[0][0] for word in WORDS]
    pieces += [spell(text)[0][0][first:last] for text, first, last in PARTS]
    merges = dict.fromkeys((piece[:end], piece[end]) for piece in pieces for end in range(1, len(piece)))
    tokens = ["<s>", "<|endoftext|>", *sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())]
    tokens += [left + right for left, right in merges]
    vocab = {token: number for number, token in enumerate(dict.fromkeys(tokens))}
    model = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=vocab, merges=list(merges)))
    model.add_special_tokens(["<s>", "<|endoftext|>"])
    model.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    model.decoder = tokenizers.decoders.ByteLevel()
    model.post_processor = tokenizers.processors.TemplateProcessing(
        single="<s> $A",
        pair="<s> $A <|endoftext|> $B:1",
        special_tokens=[("<s>", vocab["<s>"]), ("<|endoftext|>", vocab["<|endoftext|>"])],
    )
    return PreTrainedTokenizerFast(tokenizer_object=model, eos_token="<|endoftext|>", bos_token="<s>")


def bert() -> BertTokenizer:
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(HERE.parent / "tokenizer" / "vocab.txt", folder)
        return BertTokenizer.from_pretrained(folder)


def spaced(numbers) -> str:
    return " ".join(map(str, numbers))


def case(name, tokenizer, text, question, max_length, stride, random_spans):
    texts = (TEXTS[text],) if question is None else (QUESTIONS[question], TEXTS[text])
    encoded = tokenizer(
        *texts,
        max_length=max_length,
        stride=stride,
        truncation="only_first" if question is None else "only_second",
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    side = len(texts) - 1
    windows = []
    for number, ids in enumerate(encoded["input_ids"]):
        positions = [i for i, part in enumerate(encoded.sequence_ids(number)) if part == side]
        offsets = [bound for i in positions for bound in encoded["offset_mapping"][number][i]]
        windows.append({"input_ids": spaced(ids), "at": positions[0], "offsets": spaced(offsets)})
    whole = tokenizer(TEXTS[text], add_special_tokens=False, return_offsets_mapping=True)
    spans = []
    for start, end in random_spans:
        tokens = [i for i, (first, last) in enumerate(whole["offset_mapping"]) if first < end and last > start]
        spans += [start, end, tokens[0], tokens[-1] + 1]
    return {
        "tokenizer": name,
        "text": text,
        "question": question,
        "max_length": max_length,
        "stride": stride,
        "windows": windows,
        "spans": spaced(spans),
    }


def drawn_spans(draw: random.Random, tokenizer, text: str) -> list[tuple[int, int]]:
    """Spans without white space at their edges, whose first and last characters have tokens."""
    encoded, spans = tokenizer(text, add_special_tokens=False), []
    while len(spans) < 6:
        start = draw.randrange(len(text))
        end = draw.randrange(start + 1, min(len(text), start + 12) + 1)
        tokens = [encoded.char_to_token(start), encoded.char_to_token(end - 1)]
        if None not in tokens and text[start:end].strip() == text[start:end]:
            spans.append((start, end))
    return spans


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE)
    out = parser.parse_args().out
    kinds = {"bert": bert(), "byte_level": byte_level()}
    kinds["byte_level"].backend_tokenizer.save(str(out / "tokenizer.json"))
    draw, cases = random.Random(29), []
    for name, tokenizer in kinds.items():
        for text, characters in enumerate(TEXTS):
            spans = drawn_spans(draw, tokenizer, characters)
            for question, max_length, stride in SETTINGS:
                cases.append(case(name, tokenizer, text, question, max_length, stride, spans))
    versions = {"tokenizers": tokenizers.__version__, "transformers": transformers.__version__}
    save_json(out / "case.json", {"made_with": versions, "texts": TEXTS, "questions": QUESTIONS, "cases": cases})


if __name__ == "__main__":
    main()
