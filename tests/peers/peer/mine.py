"""Hard negatives by sentence-transformers: the peer of `sst mine`. Reads a job and writes a result.

The job's `queries` and `corpus` are .npy files of vectors of length 1, fp32; `positives` has for each query its entries
of the corpus, and without it entry i belongs to query i. `options` are mine_hard_negatives' own. The result has the
seconds without starting and loading, and for each query its `negatives` if the job asks to `check`.
"""

import json
import sys
import time
from pathlib import Path

import numpy
import torch
from datasets import Dataset
from sentence_transformers.util import cos_sim, mine_hard_negatives, pairwise_cos_sim


class Given:
    """A model that has made its vectors already. A text is its row."""

    device = torch.device("cpu")
    similarity = staticmethod(cos_sim)
    similarity_pairwise = staticmethod(pairwise_cos_sim)

    def __init__(self, queries: numpy.ndarray, corpus: numpy.ndarray):
        self.queries, self.corpus = queries, corpus

    def encode_query(self, texts: list[str], **_) -> numpy.ndarray:
        return self.queries[[int(text) for text in texts]]

    def encode_document(self, texts: list[str], **_) -> numpy.ndarray:
        return self.corpus[[int(text) for text in texts]]


def main() -> None:
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    torch.set_num_threads(job["threads"])
    queries, corpus = numpy.load(job["queries"]), numpy.load(job["corpus"])
    positives = job.get("positives") or [[query] for query in range(len(queries))]
    pairs = [(str(query), str(entry)) for query, entries in enumerate(positives) for entry in entries]
    rows = Dataset.from_dict({"query": [query for query, _ in pairs], "positive": [entry for _, entry in pairs]})
    texts = [str(entry) for entry in range(len(corpus))]
    started = time.time()
    found = mine_hard_negatives(
        rows, Given(queries, corpus), corpus=texts, output_format="triplet", verbose=False, **job["options"],
    )
    result = {"seconds": time.time() - started, "rows": len(found)}
    if job.get("check"):
        # Triplets repeat their negatives for each positive.
        negatives = [{} for _ in queries]
        for query, negative in zip(found["query"], found["negative"]):
            negatives[int(query)][int(negative)] = None
        result["negatives"] = [list(found) for found in negatives]
    Path(job["result"]).write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main()
