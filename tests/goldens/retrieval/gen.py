"""Golden figures of correlation (scipy), alignment and uniformity (torch, as in the code of the paper) and retrieval
(sentence-transformers' InformationRetrievalEvaluator; nDCG also by scikit-learn).

`case.json`: `correlations`, each with `x`, `y`, `pearson`, `spearman` and `ranks` of x; `embedding` with rows `x` and
`y`, `alignment` of both and `uniformity` of each; `retrieval` with `ranked` and `relevant` documents of each query and
`figures` at each k.
"""

import argparse
import json
from pathlib import Path

import numpy
import scipy
import sentence_transformers
import sklearn
import torch
from scipy.stats import pearsonr, rankdata, spearmanr
from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator
from sklearn.metrics import ndcg_score

KS = [1, 3, 10, 100]
DOCUMENTS = 40


def correlations(generator: numpy.random.Generator) -> list[dict]:
    """Series without ties, with some, of few values, far from zero, opposite, and of two pairs."""
    x = generator.normal(size=25)
    noisy = x + generator.normal(size=25)
    grades = generator.integers(0, 6, size=40).astype(float)
    pairs = [
        (x, noisy),
        (grades, grades + generator.integers(-2, 3, size=40)),
        (grades, generator.normal(size=40)),
        (1e6 + x, 1e6 + noisy),
        (x, -3 * x + 1),
        (numpy.array([1.0, 2.0]), numpy.array([5.0, 3.5])),
    ]
    return [
        {"x": x.tolist(), "y": y.tolist(), "pearson": float(pearsonr(x, y).statistic),
         "spearman": float(spearmanr(x, y).statistic), "ranks": rankdata(x).tolist()}
        for x, y in pairs
    ]


def embedding(generator: torch.Generator) -> dict:
    """Twelve pairs of vectors of 11 numbers and length 1."""
    x = torch.randn((12, 11), generator=generator)
    y = x + 0.5 * torch.randn((12, 11), generator=generator)
    # fp32 numbers, and figures of them in fp64.
    x, y = (torch.nn.functional.normalize(rows).double() for rows in (x, y))

    def alignment(x, y):
        return (x - y).norm(dim=1).pow(2).mean().item()

    def uniformity(x):
        return torch.pdist(x, p=2).pow(2).mul(-2).exp().mean().log().item()

    figures = {"alignment": alignment(x, y), "uniformity": [uniformity(x), uniformity(y)]}
    return {"x": x.tolist(), "y": y.tolist()} | figures


def retrieval(generator: numpy.random.Generator) -> dict:
    """Ten queries of one to twelve relevant documents, but for one that has none; one finds none of its own."""
    ranked = [generator.permutation(DOCUMENTS)[: 25 if query % 2 else DOCUMENTS].tolist() for query in range(10)]
    sizes = [1 + query * 11 // 9 for query in range(10)]
    relevant = [sorted(generator.choice(DOCUMENTS, size, replace=False).tolist()) for size in sizes]
    ranked[4] = [document for document in ranked[4] if document not in relevant[4]]
    relevant[6] = []
    names = [f"q{query}" for query in range(10)]
    evaluator = InformationRetrievalEvaluator(
        queries={name: name for name in names},
        corpus={str(document): str(document) for document in range(DOCUMENTS)},
        relevant_docs={name: {str(document) for document in documents} for name, documents in zip(names, relevant)},
        mrr_at_k=KS, ndcg_at_k=KS, accuracy_at_k=KS, precision_recall_at_k=KS, map_at_k=KS,
    )
    asked = [query for query in range(10) if relevant[query]]
    figures = evaluator.compute_metrics([
        [{"corpus_id": str(document), "score": -float(place)} for place, document in enumerate(ranked[query])]
        for query in asked
    ])
    for k in KS:
        values = []
        for query in asked:
            truth = numpy.isin(numpy.arange(DOCUMENTS), relevant[query]).astype(float)
            left_out = [document for document in range(DOCUMENTS) if document not in ranked[query]]
            # What was not found comes last, and k is at most the number found, so that it does not count.
            scores = numpy.zeros(DOCUMENTS)
            scores[ranked[query] + left_out] = numpy.arange(DOCUMENTS, 0, -1)
            values.append(ndcg_score([truth], [scores], k=k))
        if k <= 10:
            assert abs(numpy.mean(values) - figures["ndcg@k"][k]) < 1e-12, "scikit-learn finds another nDCG"
    names = {"recall@k": "recall", "accuracy@k": "hit_rate", "mrr@k": "mrr", "ndcg@k": "ndcg", "map@k": "map"}
    return {"ranked": ranked, "relevant": relevant, "figures": [
        {"k": k} | {ours: float(figures[theirs][k]) for theirs, ours in names.items()} for k in KS
    ]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent, help="folder to write into")
    out = parser.parse_args().out
    torch.set_num_threads(1)
    generator = numpy.random.default_rng(5)
    libraries = (numpy, scipy, sklearn, torch, sentence_transformers)
    parts = {
        "made_with": {library.__name__: library.__version__.split("+")[0] for library in libraries},
        "correlations": correlations(generator),
        "embedding": embedding(torch.Generator().manual_seed(6)),
        "retrieval": retrieval(generator),
    }
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(part)}" for name, part in parts.items())
    (out / "case.json").write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
