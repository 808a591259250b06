"""Golden scores of extractive question answering by the scripts of SQuAD and CMRC 2018, and answers from logits by
transformers' example.

The scripts are not part of this repository. Give their paths: `evaluate-v2.0.py` (rajpurkar/SQuAD-explorer), the script
for SQuAD 1.1 (`metrics/squad/compute_score.py` of huggingface/evaluate), `baseline/cmrc2018_evaluate.py` (ymcui/cmrc2018;
it needs nltk and its `punkt_tab`), and `examples/pytorch/question-answering/utils_qa.py` of transformers (here the
copy of adapter-hub/adapters). `case.json` records their SHA-256.

`squad` has sets of questions, each with the scores of every answer and the means of both versions; `cmrc` has questions
with their scores and segments; `search` has windows of a context with the answer and the best candidates.
"""

import argparse
import hashlib
import importlib.util
import json
import random
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy

SOURCES = {
    "squad_v1": "metrics/squad/compute_score.py of github.com/huggingface/evaluate",
    "squad_v2": "evaluate-v2.0.py of github.com/rajpurkar/SQuAD-explorer",
    "cmrc": "baseline/cmrc2018_evaluate.py of github.com/ymcui/cmrc2018",
    "utils_qa": "examples/pytorch/question-answering/utils_qa.py of transformers, as in github.com/adapter-hub/adapters",
}
ENGLISH = (
    "the a an The An A man's dogs, U.S. 3,000 don't café ﬁne ΑΣ İstanbul Łódź 刘备 the2 _the_ a-the ½ “quoted” "
    "re-entry (brackets) $5 50% x.y the\u00a0house tab\there line\nfeed unit\x1fsep a\u0301 O’Neil naïve ... ! 1990s"
).split(" ")
CHINESE = (
    "刘备 关羽 张飞， 诸葛亮。 《三国》 “赤壁” 1990年 3,000 3.5% iPhone 4s don't U.S. a·b …… … （甲） (乙) ，，， "
    "O’Neil x-y 中 国 人 ～ ABC公司 naïve $5 cannot 「引」 — 100km/h N.Y. 㐀字 The  cat's 、 !"
).split(" ")


def load(path: Path, name: str):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def answers(generator: random.Random, words: list[str], joiner: str, most: int) -> tuple[list[str], str]:
    """Gold answers, and a prediction that often shares words with one of them."""
    phrase = lambda: joiner.join(generator.choice(words) for _ in range(generator.randint(1, 5)))
    gold = [phrase() for _ in range(generator.randint(1, most))]
    chosen = generator.choice(gold)
    parts = chosen.split(joiner) if joiner else list(chosen) or [""]
    start = generator.randrange(len(parts))
    prediction = generator.choice([
        phrase(), joiner.join(parts), joiner.join(parts[start:]), joiner.join([*parts, phrase()]),
        f" {joiner.join(parts).upper()} ", "",
    ])
    return gold, prediction


def squad(generator: random.Random, v1, v2) -> list[dict]:
    return [squad_set(generator, v1, v2, count, threshold, digits)
            for count, threshold, digits in [(60, 1.0, 3), (80, 0.5, 1), (40, 0.0, 2), (30, 0.9, 0)]]


def squad_set(generator: random.Random, v1, v2, count: int, threshold: float, digits: int) -> dict:
    questions = []
    for index in range(count):
        gold, prediction = answers(generator, ENGLISH, " ", 3)
        kind = generator.random()
        if kind < 0.3:
            gold = []
        elif kind < 0.4:
            # Answers without words after normalisation, which SQuAD 2.0 leaves out.
            gold = generator.choice([["the"], ["...", "a"], ["the", "the man"]])
            prediction = generator.choice(["", "man", "the", "a man"])
        questions.append({"gold": gold, "prediction": prediction,
                          "no_answer_score": round(generator.random(), digits)})
    ids = [str(index) for index in range(count)]
    qas = [{"id": name, "answers": [{"text": text} for text in question["gold"]]}
           for name, question in zip(ids, questions)]
    predictions = {name: question["prediction"] for name, question in zip(ids, questions)}
    scores = {name: question["no_answer_score"] for name, question in zip(ids, questions)}
    dataset = [{"paragraphs": [{"qas": qas}]}]
    has_answer = v2.make_qid_to_has_ans(dataset)
    exact, f1 = v2.get_raw_scores(dataset, predictions)
    at_threshold = [v2.apply_no_ans_threshold(raw, scores, has_answer, threshold) for raw in (exact, f1)]
    figures = v2.make_eval_dict(*at_threshold)
    for prefix, part in (("HasAns", True), ("NoAns", False)):
        v2.merge_eval(figures, v2.make_eval_dict(
            *at_threshold, qid_list=[name for name in ids if has_answer[name] == part]), prefix)
    v2.find_all_best_thresh(figures, predictions, exact, f1, scores, has_answer)
    answered = [name for name in ids if has_answer[name]]
    for name, question in zip(ids, questions):
        question["v2"] = [float(exact[name]), float(f1[name])]
        question["normalized"] = v2.normalize_answer(question["prediction"])
        if has_answer[name]:
            question["v1"] = [float(v1.metric_max_over_ground_truths(score, question["prediction"], question["gold"]))
                              for score in (v1.exact_match_score, v1.f1_score)]
    version_1 = [{"paragraphs": [{"qas": [qa for qa in qas if has_answer[qa["id"]]]}]}]
    return {"threshold": threshold, "questions": questions, "v2": figures, "v1": v1.compute_score(
        version_1, {name: predictions[name] for name in answered})}


def cmrc(generator: random.Random, script) -> dict:
    questions = []
    for _ in range(200):
        gold, prediction = answers(generator, CHINESE, generator.choice(["", " "]), 3)
        questions.append({"gold": gold, "prediction": prediction,
                          "segments": script.mixed_segmentation(prediction, rm_punc=True),
                          "scores": [float(script.calc_em_score(gold, prediction)),
                                     float(script.calc_f1_score(gold, prediction))]})
    data = {"data": [{"paragraphs": [{"context": "", "qas": [
        {"id": str(index), "question": "", "answers": [{"text": text} for text in question["gold"]]}
        for index, question in enumerate(questions)]}]}]}
    # Every tenth prediction is missing.
    predictions = {str(index): question["prediction"] for index, question in enumerate(questions) if index % 10}
    f1, exact, total, skipped = script.evaluate(data, predictions)
    return {"questions": questions, "exact": exact, "f1": f1, "total": total, "skipped": skipped}


class Examples(list):
    """The little of a `datasets.Dataset` that the example uses."""

    def __getitem__(self, key):
        return [example[key] for example in self] if isinstance(key, str) else super().__getitem__(key)


class StableNumpy:
    """numpy, with a sort that keeps the order of equal numbers."""

    def __getattr__(self, name: str):
        return getattr(numpy, name)

    @staticmethod
    def argsort(numbers):
        return numpy.argsort(numbers, kind="stable")


def window(generator: numpy.random.Generator, tokens: int, question: int, start: int, digits: int) -> dict:
    """A window whose context begins at character `start`, with some tokens of no character and padding at its end."""
    offsets, at = [None] * (question + 2), start
    for _ in range(tokens - question - 3):
        end = at + int(generator.integers(0, 4))
        offsets.append([at, end])
        at = end + int(generator.integers(0, 2))
    offsets.append(None)
    logits = [numpy.round(generator.normal(size=tokens + 2) * 3, digits).tolist() for _ in "12"]
    has_max = (generator.random(tokens) < 0.8).tolist() if generator.random() < 0.5 else None
    return {"start": logits[0], "end": logits[1], "offsets": offsets, "has_max_context": has_max}


def search(generator: numpy.random.Generator, example, folder: Path) -> dict:
    example.np = StableNumpy()
    context = "".join(chr(0x4E00 + place) if place % 3 else "abc"[place % 2] for place in range(200))
    settings = [(20, 30, None), (20, 30, 0.0), (3, 4, None), (3, 4, 0.0), (1, 1, 1.5), (20, 30, -2.0), (5, 2, 0.5)]
    cases = []
    while len(cases) < 84:
        # Logits with ties in every second round; in the last round windows without any context.
        turn, round_ = len(cases) % len(settings), len(cases) // len(settings)
        windows = [window(generator, int(generator.integers(5, 40)), int(generator.integers(1, 4)), 25 * place,
                          (3, 0)[round_ % 2]) for place in range(int(generator.integers(1, 4)))]
        if round_ == 11:
            for one in windows:
                one["offsets"] = [None] * len(one["offsets"])
        try:
            cases.append(search_case(example, folder, context, windows, *settings[turn]))
        except IndexError:
            # The example fails where there are several candidates and none has a text.
            continue
    return {"context": context, "cases": cases}


def search_case(example, folder: Path, context: str, windows: list[dict], n_best: int, longest: int, threshold) -> dict:
    features = [{
        "example_id": "q",
        "offset_mapping": [offset and tuple(offset) for offset in one["offsets"]],
        **({} if one["has_max_context"] is None else {
            "token_is_max_context": {str(at): value for at, value in enumerate(one["has_max_context"])}}),
    } for one in windows]
    # Rows of one length, as a model gives them; what is padded is so small that it is seldom among the best.
    tokens = max(len(one["start"]) for one in windows)
    for one in windows:
        for side in ("start", "end"):
            one[side] += [-1e4] * (tokens - len(one[side]))
    rows = tuple(numpy.array([one[side] for one in windows], dtype=numpy.float32) for side in ("start", "end"))
    found = example.postprocess_qa_predictions(
        Examples([{"id": "q", "context": context}]), features, rows, version_2_with_negative=threshold is not None,
        n_best_size=n_best, max_answer_length=longest, null_score_diff_threshold=threshold or 0.0,
        output_dir=str(folder))
    read = lambda name: json.loads((folder / name).read_text())["q"]
    return {"n_best_size": n_best, "max_answer_length": longest, "threshold": threshold, "windows": windows,
            "answer": found["q"], "candidates": read("nbest_predictions.json"),
            "null_score_diff": None if threshold is None else read("null_odds.json")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent, help="folder to write into")
    for name, source in SOURCES.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=Path, required=True, help=source)
    arguments = parser.parse_args()
    sys.dont_write_bytecode = True
    paths = {name: getattr(arguments, name) for name in SOURCES}
    v1, v2, chinese, example = (load(path, name) for name, path in paths.items())
    made_with = {name: {"source": SOURCES[name], "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
                 for name, path in paths.items()}
    made_with |= {"numpy": numpy.__version__, "nltk": version("nltk")}
    generator = random.Random(3)
    with tempfile.TemporaryDirectory() as folder:
        parts = {
            "made_with": made_with,
            "squad": squad(generator, v1, v2),
            "cmrc": cmrc(generator, chinese),
            "search": search(numpy.random.default_rng(4), example, Path(folder)),
        }
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(part, ensure_ascii=False)}" for name, part in parts.items())
    (arguments.out / "case.json").write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
