"""Golden sentence vectors of all-MiniLM-L6-v2 from sentence-transformers: `python gen.py --model-cache DIR`.

`texts.json`: the n sentences. `case.safetensors`: `input_ids` and `attention_mask` [n, l] i64 (right padding, [CLS] and
[SEP] included, cut at the model's max_seq_length), `pooled` [n, 384] fp32, the mean of the last hidden states over the
real tokens, and `normalized` [n, 384], the same divided by its length.
"""

import argparse
import sys
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer
from transformers import AutoTokenizer
from transformers.utils.logging import disable_progress_bar

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from goldens.casefile import save_case, save_json  # noqa: E402

SENTENCES = [
    "In the beginning God created the heaven and the earth.",
    "A man is playing a guitar.",
    "Someone performs music on a string instrument.",
    "The stock market fell by 3.5 % on Monday, didn't it?",
    "",
    "Word",
    "Café crème, naïve façade, ÅNGSTRÖM",
    "滚滚长江东逝水，浪花淘尽英雄。",
    "BERT 与 GPT 都是语言模型。",
    "Rockets 🚀 and families 👨‍👩‍👧 are emoji.",
    "\tTabs,\n new lines \u00a0 and supercalifragilisticexpialidocious-" + "x" * 120,
    "The quick brown fox jumps over the lazy dog. " * 30,
]


def write_case(folder: Path, model_dir: Path, sentences: list[str]) -> None:
    """Writes texts.json and case.safetensors of `sentences` into `folder`."""
    model = SentenceTransformer(str(model_dir), device="cpu")
    tokenizer = AutoTokenizer.from_pretrained(model_dir)
    limit = model.max_seq_length
    inputs = tokenizer(sentences, padding=True, truncation=True, max_length=limit, return_tensors="pt")
    ids, mask = inputs["input_ids"], inputs["attention_mask"]
    assert ids.shape[1] == limit, "no sentence reaches the limit"
    normalized = model.encode(sentences, convert_to_tensor=True)
    pooled = SentenceTransformer(modules=[model[0], model[1]], device="cpu").encode(sentences, convert_to_tensor=True)
    # The ids are AutoTokenizer's, the vectors sentence-transformers': make sure that they belong together.
    with torch.no_grad():
        hidden = model[0].auto_model(input_ids=ids, attention_mask=mask).last_hidden_state
    mean = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    assert torch.allclose(mean, pooled, rtol=1e-5, atol=2e-6), "AutoTokenizer and sentence-transformers disagree"
    save_json(folder / "texts.json", sentences)
    tensors = {"input_ids": ids, "attention_mask": mask, "pooled": pooled, "normalized": normalized}
    save_case(folder / "case.safetensors", tensors, max_seq_length=limit)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model-cache", type=Path, required=True, help="folder that holds minilm/")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent, help="folder to write into")
    args = parser.parse_args()
    torch.set_num_threads(1)
    disable_progress_bar()
    write_case(args.out, args.model_cache / "minilm", SENTENCES)


if __name__ == "__main__":
    main()
