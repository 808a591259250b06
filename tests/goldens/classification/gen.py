"""Golden figures of scikit-learn for classes, several classes an example, areas under the ROC, and regression.

`case.json`: `classes`, each with `num_classes`, `labels` and `predictions`; `multi_label`, `roc_auc`, `one_vs_rest`,
`multi_label_roc_auc` and `regression`, each with what it was made from and the figures. `scores` are precision, recall
and F1; `by_class` has them with the number of labels.
"""

import argparse
import json
import warnings
from pathlib import Path

import numpy
import sklearn
from sklearn import metrics

AVERAGES = ("micro", "macro", "weighted")


def scores(labels, predictions) -> dict:
    """The figures of each class of the table, and the averages over the classes that scikit-learn chooses itself."""
    found = {"averages": {
        average: [float(x) for x in metrics.precision_recall_fscore_support(
            labels, predictions, average=average, zero_division=0)[:3]] for average in AVERAGES}}
    return found


def by_class(labels, predictions, num_classes) -> list:
    figures = metrics.precision_recall_fscore_support(
        labels, predictions, labels=list(range(num_classes)), average=None, zero_division=0)
    return [[float(precision), float(recall), float(f1), int(support)]
            for precision, recall, f1, support in zip(*figures)]


def classes(generator) -> list[dict]:
    cases = []
    # Classes at random, of which some never occur, some are never predicted, some only predicted.
    for num_classes, examples, share in [(2, 50, 0.8), (2, 40, 0.5), (5, 60, 0.6), (12, 30, 0.4), (3, 1, 0.0)]:
        labels = generator.integers(0, num_classes, examples)
        noise = generator.integers(0, num_classes, examples)
        predictions = numpy.where(generator.random(examples) < share, labels, noise)
        cases.append((num_classes, labels, predictions))
    cases.append((4, numpy.array([0, 0, 1, 1]), numpy.array([2, 2, 1, 2])))
    cases.append((3, numpy.array([1, 1, 1]), numpy.array([1, 1, 1])))
    cases.append((2, numpy.array([0, 0, 0, 1]), numpy.array([0, 0, 0, 0])))
    cases.append((2, numpy.array([0, 1, 0, 1]), numpy.array([1, 0, 1, 0])))
    return [{"num_classes": num_classes, "labels": labels.tolist(), "predictions": predictions.tolist(),
             "by_class": by_class(labels, predictions, num_classes),
             "accuracy": float(metrics.accuracy_score(labels, predictions)),
             "matthews": float(metrics.matthews_corrcoef(labels, predictions)),
             "confusion": metrics.confusion_matrix(labels, predictions, labels=range(num_classes)).tolist(),
             **scores(labels, predictions)} for num_classes, labels, predictions in cases]


def multi_label(generator) -> list[dict]:
    cases = []
    for examples, num_classes, rate in [(30, 4, 0.4), (20, 6, 0.1), (1, 3, 0.5), (10, 2, 0.0)]:
        labels = generator.random((examples, num_classes)) < rate
        flips = generator.random((examples, num_classes)) < 0.2
        cases.append((labels, labels ^ flips))
    cases[1][0][:, 2] = cases[1][1][:, 2] = False
    cases[1][0][:, 3] = False
    return [{"num_classes": labels.shape[1], "labels": labels.ravel().tolist(), "predictions": predictions.ravel().tolist(),
             "by_class": by_class(labels.astype(int), predictions.astype(int), labels.shape[1]),
             "subset_accuracy": float(metrics.accuracy_score(labels, predictions)),
             "hamming_loss": float(metrics.hamming_loss(labels, predictions)),
             **scores(labels.astype(int), predictions.astype(int))} for labels, predictions in cases]


def roc_auc(generator) -> list[dict]:
    cases = []
    for examples, digits in [(40, 3), (60, 1), (25, 0), (2, 3)]:
        labels = numpy.arange(examples) % 2 == 0
        generator.shuffle(labels)
        cases.append((labels, numpy.round(generator.random(examples) + 0.2 * labels, digits)))
    cases.append((numpy.array([True, False, True]), numpy.array([0.5, 0.5, 0.5])))
    cases.append((numpy.array([False, True, False, True]), numpy.array([-1e300, 1e300, 0.0, -0.0])))
    return [{"labels": labels.tolist(), "scores": scores.tolist(),
             "area": float(metrics.roc_auc_score(labels, scores))} for labels, scores in cases]


def one_vs_rest(generator) -> list[dict]:
    cases = []
    for examples, num_classes in [(60, 3), (40, 7)]:
        labels = numpy.arange(examples) % num_classes
        logits = generator.normal(size=(examples, num_classes)) + numpy.eye(num_classes)[labels]
        probabilities = numpy.exp(logits) / numpy.exp(logits).sum(axis=1, keepdims=True)
        cases.append({
            "num_classes": num_classes, "labels": labels.tolist(), "scores": probabilities.ravel().tolist(),
            "classes": [float(area) for area in metrics.roc_auc_score(
                labels, probabilities, multi_class="ovr", average=None)],
            "macro": float(metrics.roc_auc_score(labels, probabilities, multi_class="ovr", average="macro")),
        })
    return cases


def multi_label_roc_auc(generator) -> list[dict]:
    labels = generator.random((50, 4)) < 0.4
    scores = numpy.round(generator.random((50, 4)) + 0.3 * labels, 2)
    return [{"num_classes": 4, "labels": labels.ravel().tolist(), "scores": scores.ravel().tolist(),
             "classes": [float(area) for area in metrics.roc_auc_score(labels, scores, average=None)],
             "macro": float(metrics.roc_auc_score(labels, scores, average="macro")),
             "micro": float(metrics.roc_auc_score(labels, scores, average="micro"))}]


def regression(generator) -> list[dict]:
    labels = generator.normal(size=40)
    pairs = [(labels, labels + 0.3 * generator.normal(size=40)), (labels, generator.normal(size=40)),
             (numpy.array([1.0, 2.0]), numpy.array([1.0, 2.0])), (numpy.array([1.0, 3.0]), numpy.array([9.0, -4.0]))]
    return [{"labels": labels.tolist(), "predictions": predictions.tolist(),
             "mean_squared_error": float(metrics.mean_squared_error(labels, predictions)),
             "r_squared": float(metrics.r2_score(labels, predictions))} for labels, predictions in pairs]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent, help="folder to write into")
    out = parser.parse_args().out
    warnings.simplefilter("ignore")
    generator = numpy.random.default_rng(11)
    parts = {"made_with": {library.__name__: library.__version__ for library in (numpy, sklearn)}}
    makers = (classes, multi_label, roc_auc, one_vs_rest, multi_label_roc_auc, regression)
    parts |= {maker.__name__: maker(generator) for maker in makers}
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(part)}" for name, part in parts.items())
    (out / "case.json").write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
