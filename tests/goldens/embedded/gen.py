"""Golden gradients of logits with respect to the input of the first layer, from transformers.

`python gen.py` rewrites the files beside it with the same bytes, from the models of `../bert/plain`, `../causal/gpt2`
and `../causal/llama`.
"""

import argparse
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import BertForMaskedLM, GPT2LMHeadModel, LlamaForCausalLM
from transformers.utils.logging import disable_progress_bar

GOLDENS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(GOLDENS.parent))
from goldens.casefile import save_case  # noqa: E402

CASES = {"bert": (BertForMaskedLM, "bert/plain"), "gpt2": (GPT2LMHeadModel, "causal/gpt2"),
         "llama": (LlamaForCausalLM, "causal/llama")}


def gradient(model, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The largest logit at the last token of each row, and the gradient of their sum.

    `places` [b], `tokens` [b] and `logits` [b] name the logits. `embedded` and `grad` [b, l, d]: the input of the first
    layer and the gradient, zero where there is no token. In BERT the input is what the embeddings give after their
    norm; in GPT-2 and Llama the gradient is that of `inputs_embeds`, and GPT-2 adds positions to these.
    """
    mask_bl1 = inputs["attention_mask"][:, :, None].float()
    rows, places = torch.arange(len(mask_bl1)), inputs["attention_mask"].sum(1) - 1
    if isinstance(model, BertForMaskedLM):
        found = []
        hook = model.bert.embeddings.register_forward_hook(lambda _, __, output: found.append(output))
        out = model(**inputs)
        hook.remove()
        leaf = embedded = found[0]
    else:
        leaf = model.get_input_embeddings()(inputs["input_ids"]).detach().requires_grad_()
        out = model(inputs_embeds=leaf, attention_mask=inputs["attention_mask"], output_hidden_states=True)
        embedded = out.hidden_states[0]
    logits, tokens = out.logits[rows, places].max(-1)
    [grad] = torch.autograd.grad(logits.sum(), [leaf])
    assert (grad * (1 - mask_bl1)).abs().max() == 0, "a logit depends on padding"
    return {"places": places, "tokens": tokens, "logits": logits, "embedded": embedded * mask_bl1, "grad": grad}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent, help="folder to write into")
    out = parser.parse_args().out
    torch.set_num_threads(1)
    disable_progress_bar()
    for name, (kind, folder) in CASES.items():
        model = kind.from_pretrained(GOLDENS / folder, attn_implementation="eager").eval()
        case = load_file(GOLDENS / folder / "case.safetensors")
        names = ["input_ids", "attention_mask"] + (["token_type_ids"] if name == "bert" else [])
        inputs = {key: case[key] for key in names}
        (out / name).mkdir(exist_ok=True)
        save_case(out / name / "case.safetensors", inputs | gradient(model, inputs))


if __name__ == "__main__":
    main()
