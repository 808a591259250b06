"""Pretraining as a user of the Hugging Face Trainer would run it: the peer of `sst pretrain`.

Reads a job (JSON) and writes a result (JSON): seconds and useful tokens of the steps after the first `skip`, the peak
memory of the process, and seconds from its start to the end of its first step.
"""

import json
import resource
import sys
import time
from pathlib import Path

START = time.time()

import torch  # noqa: E402
from datasets import load_dataset  # noqa: E402
from transformers import (  # noqa: E402
    AutoTokenizer,
    BertConfig,
    BertForMaskedLM,
    DataCollatorForLanguageModeling,
    GPT2Config,
    GPT2LMHeadModel,
    Trainer,
    TrainingArguments,
    default_data_collator,
)


class Measured(Trainer):
    """A Trainer that counts the tokens of each step and when it ended."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.ended: list[tuple[float, int]] = []

    def training_step(self, model, inputs, *args, **kwargs):
        tokens = int(inputs["attention_mask"].sum())
        loss = super().training_step(model, inputs, *args, **kwargs)
        self.ended.append((time.time(), tokens))
        return loss


def full_rows(tokenizer, texts: list[str], length: int) -> dict:
    """The texts joined and cut into rows of `length` tokens, as the examples of transformers do."""
    documents = tokenizer(texts, add_special_tokens=False)["input_ids"]
    end = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
    before, after = ([], []) if end else ([tokenizer.cls_token_id], [tokenizer.sep_token_id])
    joined = [token for document in documents for token in document + end]
    inner = length - len(before) - len(after)
    rows = [before + joined[i : i + inner] + after for i in range(0, len(joined) - inner + 1, inner)]
    columns = {"input_ids": rows, "attention_mask": [[1] * length for _ in rows], "length": [length for _ in rows]}
    # The collator for language models would leave out end-of-text tokens, which serve as padding there.
    return columns | ({"labels": rows} if end else {})


def main() -> None:
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    torch.set_num_threads(job["threads"])
    tokenizer = AutoTokenizer.from_pretrained(job["tokenizer"])

    def encode(batch: dict) -> dict:
        if job["rows"] == "stream":
            return full_rows(tokenizer, batch["text"], job["max_length"])
        ids = tokenizer(batch["text"], truncation=True, max_length=job["max_length"])
        return {**ids, "length": [len(row) for row in ids["input_ids"]]}

    rows = load_dataset("text", data_files=job["train"], split="train", cache_dir=str(Path(job["out"]) / "cache"))
    rows = rows.map(encode, batched=True, num_proc=job["threads"], remove_columns=["text"])
    config = {"vocab_size": len(tokenizer)} | job["model"]
    is_causal = job["objective"] == "clm"
    if is_causal:
        model = GPT2LMHeadModel(GPT2Config(eos_token_id=tokenizer.eos_token_id, **config))
    else:
        model = BertForMaskedLM(BertConfig(pad_token_id=tokenizer.pad_token_id, **config))
    arguments = TrainingArguments(
        output_dir=str(Path(job["out"]) / "trainer"),
        max_steps=job["steps"],
        per_device_train_batch_size=job["batch_size"],
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
        dataloader_num_workers=job.get("workers", 2),
        dataloader_prefetch_factor=job.get("prefetch", 4) if job.get("workers", 2) else None,
        torch_compile=job.get("compile", False),
        # Rows of like length share a batch, which leaves little padding.
        train_sampling_strategy=job.get("sampling", "group_by_length"),
        length_column_name="length",
    )
    trainer = Measured(
        model=model,
        args=arguments,
        train_dataset=rows,
        processing_class=tokenizer,
        data_collator=default_data_collator
        if is_causal
        else DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15),
    )
    trainer.train()
    model.save_pretrained(Path(job["out"]) / "model")
    tokenizer.save_pretrained(Path(job["out"]) / "model")
    ended, skip = trainer.ended, job["skip"]
    # The process's own, without the workers that made its data.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    Path(job["result"]).write_text(
        json.dumps({
            "seconds": ended[-1][0] - ended[skip - 1][0],
            "tokens": sum(tokens for _, tokens in ended[skip:]),
            "first_step": ended[0][0] - START,
            "peak_memory": peak,
        }),
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
