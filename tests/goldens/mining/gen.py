"""Golden hard negatives of sentence-transformers' mine_hard_negatives for given vectors.

`case.safetensors`: `queries` [q, d] and `corpus` [c, d] fp32 of length 1. `cases.json`: `groups`, for each entry of the
corpus the number of its text; `positives`, for each query its entries; and `cases`, each with its `options`, for each
query the `negatives` as [entry, score], the nearest first, and `skipped`, what sentence-transformers tells that the
margins and the highest score removed. Only the first entry of a text is named.
"""

import argparse
import contextlib
import io
import json
import re
import sys
from pathlib import Path

import sentence_transformers
import torch
from datasets import Dataset
from sentence_transformers.util import cos_sim, mine_hard_negatives, pairwise_cos_sim

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from goldens.casefile import save_case  # noqa: E402

QUERIES, ENTRIES, WIDTH = 14, 60, 8
OPTIONS = [
    {},
    {"num_negatives": 10},
    {"range_min": 4},
    {"range_min": 2, "range_max": 9, "num_negatives": 5},
    {"max_score": 0.3},
    {"min_score": 0.45, "num_negatives": 12},
    {"absolute_margin": 0.1},
    {"absolute_margin": 0.0, "range_max": 6},
    {"relative_margin": 0.05, "num_negatives": 4},
    {"relative_margin": 0.4, "range_max": 12, "num_negatives": 12},
    {"range_min": 1, "range_max": 20, "max_score": 0.6, "min_score": 0.1, "absolute_margin": 0.02,
     "relative_margin": 0.05, "num_negatives": 6},
    # More than there are entries.
    {"num_negatives": 70, "max_score": 0.5},
]


class Given:
    """A model that knows the vectors of its texts."""

    device = torch.device("cpu")
    similarity = staticmethod(cos_sim)
    similarity_pairwise = staticmethod(pairwise_cos_sim)

    def __init__(self, vectors: dict[str, torch.Tensor]):
        self.vectors = vectors

    def encode_query(self, texts: list[str], **_):
        return torch.stack([self.vectors[text] for text in texts]).numpy()

    encode_document = encode_query


def vectors(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, list[int], list[list[int]]]:
    """Queries, entries, the group of each entry, and one to three positives of each query that are near it."""
    queries = torch.randn((QUERIES, WIDTH), generator=generator)
    corpus = torch.randn((ENTRIES, WIDTH), generator=generator)
    groups = list(range(ENTRIES))
    positives = []
    for query in range(QUERIES):
        positives.append([(query * 4 + i) % ENTRIES for i in range(1 + query % 3)])
        for i, entry in enumerate(positives[-1]):
            # From very near to nearly unrelated, and the last query's is far away.
            nearness = (-1.0 if query == QUERIES - 1 else 1.5) / (1 + i + query % 4)
            corpus[entry] += nearness * queries[query]
    for entry, first in [(7, 3), (31, 4), (45, 12), (46, 12), (59, 0)]:
        groups[entry], corpus[entry] = first, corpus[first]
    normalize = torch.nn.functional.normalize
    return normalize(queries), normalize(corpus), groups, positives


def mine(model: Given, groups: list[int], positives: list[list[int]], options: dict) -> dict:
    """Runs mine_hard_negatives on texts that are numbers, and reads what it finds and tells."""
    pairs = [
        (f"query {query}", f"entry {groups[entry]}") for query, entries in enumerate(positives) for entry in entries
    ]
    rows = Dataset.from_dict({"query": [query for query, _ in pairs], "positive": [text for _, text in pairs]})
    told = io.StringIO()
    with contextlib.redirect_stdout(told), contextlib.redirect_stderr(io.StringIO()):
        found = mine_hard_negatives(
            rows, model, corpus=[f"entry {group}" for group in groups], output_format="labeled-pair",
            output_scores=True, **options,
        )
    negatives = [[] for _ in positives]
    for row in found:
        if (row["query"], row["positive"]) not in pairs:
            query, entry = (int(row[key].split()[1]) for key in ("query", "positive"))
            negatives[query].append([entry, row["score"]])
    skipped = {
        rule: int(count.replace(",", ""))
        for count, rule in re.findall(r"Skipped ([\d,]+) potential .* due to the (\w+) of", told.getvalue())
        # What other rules have removed counts here once more.
        if rule != "min_score"
    }
    return {"options": options, "skipped": skipped, "negatives": negatives}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent, help="folder to write into")
    out = parser.parse_args().out
    torch.set_num_threads(1)
    queries, corpus, groups, positives = vectors(torch.Generator().manual_seed(21))
    known = {f"query {i}": vector for i, vector in enumerate(queries)}
    known |= {f"entry {i}": vector for i, vector in enumerate(corpus)}
    cases = [mine(Given(known), groups, positives, options) for options in OPTIONS]
    told = {rule for case in cases for rule in case["skipped"]}
    assert told == {"absolute_margin", "relative_margin", "max_score"}, f"only {told} was tried"
    scores = (queries @ corpus.T).sort(dim=1).values.diff()
    assert ((scores > 1e-5) | (scores < 1e-6)).all(), "two texts are as near, and their order would be chance"
    facts = {"sentence_transformers": sentence_transformers.__version__}
    save_case(out / "case.safetensors", {"queries": queries, "corpus": corpus}, **facts)
    lines = ",\n".join("  " + json.dumps(case) for case in cases)
    head = f'{{\n"groups": {groups},\n"positives": {positives},\n'
    (out / "cases.json").write_text(f'{head}"cases": [\n{lines}\n]\n}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
