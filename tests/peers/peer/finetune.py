"""Fine-tuning as a user of the Hugging Face Trainer would run it: the peer of `sst train` with a task head.

Reads a job (JSON) and writes a result (JSON): the scores on the test records, by seqeval or scikit-learn, and the time
from the start of the process until the model is saved, of which the seconds of the steps are told apart.
"""

import json
import resource
import sys
import time
from pathlib import Path

START = time.time()

import seqeval.metrics  # noqa: E402
import sklearn.metrics  # noqa: E402
import torch  # noqa: E402
from transformers import (  # noqa: E402
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
    DataCollatorForTokenClassification,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
    set_seed,
)

IGNORED = -100  # the label of a token without a label


def sentences(path: str) -> list[tuple[list[str], list[str]]]:
    """The words and tags of each sentence of a CoNLL file."""
    blocks = Path(path).read_text(encoding="utf-8").strip().split("\n\n")
    lines = ([line.split("\t") for line in block.split("\n")] for block in blocks)
    return [([word for word, _ in rows], [tag for _, tag in rows]) for rows in lines]


def texts(path: str) -> list[tuple[str, str]]:
    """The text and label of each record of a file of JSON lines."""
    records = map(json.loads, Path(path).read_text(encoding="utf-8").splitlines())
    return [(record["text"], record["label"]) for record in records]


class Tag:
    """Entities: the first token of each word has the label of the word."""

    model = AutoModelForTokenClassification
    collator = DataCollatorForTokenClassification

    def __init__(self, job: dict, tokenizer):
        self.length, self.tokenizer = job["max_length"], tokenizer
        self.train, self.test = sentences(job["train"]), sentences(job["test"])
        self.labels = sorted({tag for _, tags in self.train for tag in tags})

    def first_tokens(self, row) -> list[tuple[int, int]]:
        """Each word that has a token, and the position of its first one."""
        firsts = {}
        for position, word in enumerate(row.word_ids()):
            if word is not None:
                firsts.setdefault(word, position)
        return list(firsts.items())

    def encode(self, words: list[str]):
        return self.tokenizer(words, is_split_into_words=True, truncation=True, max_length=self.length)

    def rows(self, records) -> list[dict]:
        ids = {label: i for i, label in enumerate(self.labels)}
        rows = []
        for words, tags in records:
            row = self.encode(words)
            labels = [IGNORED] * len(row["input_ids"])
            for word, position in self.first_tokens(row):
                labels[position] = ids[tags[word]]
            rows.append(dict(row) | {"labels": labels})
        return rows

    def scores(self, logits) -> dict:
        gold, predicted = [tags for _, tags in self.test], []
        for (words, tags), row in zip(self.test, logits, strict=True):
            # A word without a token, or one that was cut off, is predicted to be outside of every entity.
            found = ["O"] * len(tags)
            for word, position in self.first_tokens(self.encode(words)):
                found[word] = self.labels[row[position].argmax()]
            predicted.append(found)
        return {"f1": seqeval.metrics.f1_score(gold, predicted)}


class Classify:
    """Classes of texts."""

    model = AutoModelForSequenceClassification
    collator = DataCollatorWithPadding

    def __init__(self, job: dict, tokenizer):
        self.length, self.tokenizer = job["max_length"], tokenizer
        self.train, self.test = texts(job["train"]), texts(job["test"])
        self.labels = sorted({label for _, label in self.train})

    def rows(self, records) -> list[dict]:
        ids = {label: i for i, label in enumerate(self.labels)}
        rows = []
        for text, label in records:
            row = self.tokenizer(text, truncation=True, max_length=self.length)
            rows.append(dict(row) | {"labels": ids[label]})
        return rows

    def scores(self, logits) -> dict:
        gold = [label for _, label in self.test]
        predicted = [self.labels[row.argmax()] for row in logits]
        return {"accuracy": sklearn.metrics.accuracy_score(gold, predicted),
                "macro_f1": sklearn.metrics.f1_score(gold, predicted, average="macro")}


def main() -> None:
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    torch.set_num_threads(job["threads"])
    # The new head is drawn before the Trainer sets its seed.
    set_seed(job["seed"])
    tokenizer = AutoTokenizer.from_pretrained(job["model"])
    task = {"tag": Tag, "classify": Classify}[job["objective"]](job, tokenizer)
    names = {"id2label": dict(enumerate(task.labels)), "label2id": {label: i for i, label in enumerate(task.labels)}}
    model = task.model.from_pretrained(job["model"], **names, **job["config"])
    arguments = TrainingArguments(
        output_dir=str(Path(job["out"]) / "trainer"),
        max_steps=job["steps"],
        per_device_train_batch_size=job["batch_size"],
        per_device_eval_batch_size=32,
        learning_rate=job["lr"],
        warmup_steps=job["warmup"],
        lr_scheduler_type="linear",
        adam_beta1=0.9,
        adam_beta2=0.98,
        adam_epsilon=1e-6,
        weight_decay=0.01,
        max_grad_norm=1.0,
        bf16=job["precision"] == "bf16",
        use_cpu=True,
        seed=job["seed"],
        save_strategy="no",
        logging_steps=50,
        report_to=[],
        disable_tqdm=True,
        train_sampling_strategy=job["sampling"],
    )
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=task.rows(task.train),
        processing_class=tokenizer,
        data_collator=task.collator(tokenizer),
    )
    step_seconds = trainer.train().metrics["train_runtime"]
    trainer.save_model(str(Path(job["out"]) / "model"))
    used = resource.getrusage(resource.RUSAGE_SELF)
    times = {"seconds": time.time() - START, "step_seconds": step_seconds, "cpu_seconds": used.ru_utime + used.ru_stime}
    # With "group_by_length", predictions would have the order of that sampler, too.
    arguments.train_sampling_strategy = "random"
    scores = task.scores(trainer.predict(task.rows(task.test)).predictions)
    Path(job["result"]).write_text(json.dumps(times | scores), encoding="utf-8")


if __name__ == "__main__":
    main()
