"""Golden token ids of transformers' AutoTokenizer for folders that differ in class, flags, added tokens and files.

`case.json`: `files` are the contents of files by name; each of `cases` names the files of one folder (a path in the
folder, and the key of `files` or the JSON itself), and for each text the `ids` with special tokens, or `error` where
transformers refuses the folder. `size` is the largest id + 1 and `roles` the ids of the special tokens.
"""

import argparse
import json
import os
import tempfile
import warnings
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"
warnings.filterwarnings("ignore")

import tokenizers  # noqa: E402
import transformers  # noqa: E402
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors  # noqa: E402
from transformers import AutoTokenizer  # noqa: E402


TEXTS = [
    "The Cat sat",
    " the  café 中国 in a\thouse ",
    "a [MASK] b <mask> <ent> <new>the <s> Hello</s> <|endoftext|>x [SEP]",
    "été Ünï 你好，世界 ﬁne Ⅳ 🙂 [mask]",
    "",
]
BERT = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "<s>", "<pad>", "</s>", "<unk>", "<mask>"]
WORDS = ["the", "The", "cat", "Cat", "sat", "a", "b", "in", "house", "hello", "Hello", "cafe", "café", "中", "国", "##国",
         "中国", "##国", "ete", "été", "uni", "Ünï", "你", "好", "##好", "，", "世", "界", "##界", "fine", "x", "##e"]
LETTERS = sorted(set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.,[]<>|/é"))


def wordpiece(lowercase: bool, chinese: bool = True, strip=None, added: list[dict] | None = None) -> str:
    vocab = {token: at for at, token in enumerate(dict.fromkeys(BERT + WORDS))}
    tokenizer = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase, handle_chinese_chars=chinese, strip_accents=strip)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1",
                                                            [("[CLS]", 2), ("[SEP]", 3)])
    tokenizer.add_special_tokens(BERT[:5])
    value = json.loads(tokenizer.to_str())
    value["added_tokens"] += added or []
    return json.dumps(value, ensure_ascii=False)


def byte_vocab() -> tuple[dict, list]:
    tokens = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "<|endoftext|>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    merges = [("t", "h"), ("th", "e"), ("Ġ", "the"), ("c", "a"), ("ca", "t"), ("Ġ", "cat"), ("Ġ", "T"), ("T", "h"),
              ("Th", "e"), ("Ġ", "sat"), ("s", "a"), ("sa", "t"), ("Ġ", "sat"), ("Ġ", "a")]
    merges = [m for m in dict.fromkeys(merges) if m != ("Ġ", "sat")] + [("Ġ", "sat")]
    vocab = {token: at for at, token in enumerate([*tokens, *("".join(m) for m in merges)])}
    return vocab, merges


def byte_bpe(prefix: bool, frame: bool = False, post: bool = True) -> str:
    vocab, merges = byte_vocab()
    tokenizer = Tokenizer(models.BPE(vocab, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    tokenizer.decoder = decoders.ByteLevel()
    if frame:
        tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    elif post:
        tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>", "<mask>", "<|endoftext|>"])
    return tokenizer.to_str()


def llama(normalizer: bool, split: bool = False) -> str:
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", *LETTERS]
    merges = [("t", "h"), ("th", "e"), ("▁", "the"), ("c", "a"), ("ca", "t"), ("▁", "cat"), ("▁", "a"), ("▁", "▁")]
    vocab = {token: at for at, token in enumerate([*tokens, *("".join(m) for m in merges)])}
    tokenizer = Tokenizer(models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    if normalizer:
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=split)
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
                                           decoders.Strip(" ", 1, 0)])
    tokenizer.post_processor = processors.TemplateProcessing("<s> $A", "<s> $A <s>:1 $B:1", [("<s>", 1)])
    tokenizer.add_special_tokens(["<unk>", "<s>", "</s>"])
    return tokenizer.to_str()


def unigram(normalizer=None) -> str:
    pieces = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0), ("▁the", -3.0), ("▁cat", -3.0),
              ("the", -4.0), ("cat", -4.0), ("▁a", -3.0), ("中", -5.0), ("国", -5.0), *((c, -6.0) for c in LETTERS)]
    tokenizer = Tokenizer(models.Unigram(pieces, 3))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing("<s> $A </s>", "<s> $A </s> </s> $B </s>",
                                                            [("<s>", 0), ("</s>", 2)])
    tokenizer.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>"])
    return tokenizer.to_str()


def entry(content: str, **flags) -> dict:
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {"content": content, **plain, **flags}


def files() -> dict[str, str]:
    vocab, merges = byte_vocab()
    return {
        "wordpiece-lower": wordpiece(True),
        "wordpiece-cased": wordpiece(False),
        "wordpiece-odd": wordpiece(False, False, True),
        "wordpiece-added": wordpiece(True, added=[{"id": 99, **entry("<ent>", lstrip=True)},
                                                  {"id": 100, **entry("<new>", special=False, normalized=True)}]),
        "byte": byte_bpe(False),
        "byte-prefix": byte_bpe(True),
        "byte-bare": byte_bpe(False, post=False),
        "roberta": byte_bpe(False, True),
        "roberta-prefix": byte_bpe(True, True),
        "llama": llama(False),
        "llama-old": llama(True),
        "unigram": unigram(),
        "unigram-nfkc": unigram(normalizers.NFKC()),
        "vocab.txt": "\n".join(dict.fromkeys(BERT + WORDS)) + "\n",
        "vocab-no-mask.txt": "\n".join(token for token in dict.fromkeys(BERT + WORDS) if token != "[MASK]") + "\n",
        "vocab.json": json.dumps(vocab, ensure_ascii=False),
        "merges.txt": "#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges),
    }


def folders() -> list[dict]:
    cases = []

    def case(name: str, config: dict | None, **others) -> None:
        folder = {key.replace("__", "."): value for key, value in others.items()}
        if config is not None:
            folder["tokenizer_config.json"] = config
        cases.append({"name": name, "folder": folder})

    flags = [{}, {"do_lower_case": False}, {"do_lower_case": True}, {"strip_accents": False}, {"strip_accents": True},
             {"do_lower_case": False, "strip_accents": True}, {"tokenize_chinese_chars": False},
             {"do_lower_case": False, "tokenize_chinese_chars": False}, {"strip_accents": None}]
    for name in ["BertTokenizer", "BertTokenizerFast", "DistilBertTokenizer", "DistilBertTokenizerFast", "ElectraTokenizer",
                 "MobileBertTokenizer", "LxmertTokenizerFast", "FunnelTokenizer", "MPNetTokenizer", "MPNetTokenizerFast",
                 "PreTrainedTokenizerFast", "PreTrainedTokenizer", "TokenizersBackend", "SqueezeBertTokenizer", None]:
        short = name in ("BertTokenizer", "MPNetTokenizer", "PreTrainedTokenizerFast", None)
        for file in ["wordpiece-lower", "wordpiece-cased", "wordpiece-odd"] if short else ["wordpiece-lower"]:
            for flag in flags:
                config = {**({"tokenizer_class": name} if name else {}), **flag}
                case(f"{name} {file} {flag}", config, tokenizer__json=file)
    for model in ["bert", "distilbert", "electra", "mpnet", "roberta", "llama", "mistral", "modernbert", "nomic_bert"]:
        for name in [None, "BertTokenizer", "PreTrainedTokenizerFast"]:
            config = {**({"tokenizer_class": name} if name else {}), "do_lower_case": False}
            if model in ("roberta",) and name is None:
                continue
            case(f"model_type {model}, class {name}", config, tokenizer__json="wordpiece-lower",
                 config__json={"model_type": model})
    case("class in config.json", {}, tokenizer__json="wordpiece-lower",
         config__json={"model_type": "bert", "tokenizer_class": "BertTokenizer"})
    case("no tokenizer_config.json", None, tokenizer__json="wordpiece-cased")
    case("no tokenizer_config.json, bert", None, tokenizer__json="wordpiece-cased", config__json={"model_type": "bert"})
    for name in ["GPT2Tokenizer", "GPT2TokenizerFast", "RobertaTokenizer", "RobertaTokenizerFast", "BartTokenizer",
                 "LongformerTokenizerFast", "PreTrainedTokenizerFast", "LlamaTokenizerFast"]:
        for file in ["byte", "byte-prefix", "byte-bare", "roberta", "roberta-prefix"]:
            for flag in [{}, {"add_prefix_space": True}, {"add_prefix_space": False},
                         {"add_bos_token": True, "add_eos_token": True, "bos_token": "<s>", "eos_token": "</s>"}]:
                case(f"{name} {file} {flag}", {"tokenizer_class": name, **flag}, tokenizer__json=file)
    for name in ["LlamaTokenizer", "LlamaTokenizerFast", "PreTrainedTokenizerFast"]:
        for file in ["llama", "llama-old"]:
            for flag in [{}, {"legacy": True}, {"legacy": False}, {"add_prefix_space": False},
                         {"add_prefix_space": True, "legacy": True}, {"add_bos_token": False}, {"add_eos_token": True},
                         {"split_special_tokens": True}]:
                case(f"{name} {file} {flag}", {"tokenizer_class": name, **flag}, tokenizer__json=file)
    for name in ["XLMRobertaTokenizer", "XLMRobertaTokenizerFast", "PreTrainedTokenizerFast", None]:
        for file in ["unigram", "unigram-nfkc"]:
            for flag in [{}, {"add_prefix_space": False}, {"mask_token": "<mask>"}, {"mask_token": entry("<mask>", lstrip=True) |
                         {"__type": "AddedToken"}}]:
                case(f"{name} {file} {flag}", {**({"tokenizer_class": name} if name else {}), **flag}, tokenizer__json=file)

    decoder = {"42": entry("<ent>", lstrip=True), "43": entry("<new>", special=False, single_word=True)}
    odd = {"50": entry("<ent>"), "47": entry("<new>", rstrip=True, normalized=True, special=False)}
    for name in ["BertTokenizer", "PreTrainedTokenizerFast"]:
        plain = {"tokenizer_class": name}
        for file in ["wordpiece-lower", "wordpiece-added"]:
            case(f"{name} {file}, decoder", {**plain, "added_tokens_decoder": decoder}, tokenizer__json=file)
            case(f"{name} {file}, decoder with other ids", {**plain, "added_tokens_decoder": odd}, tokenizer__json=file)
            case(f"{name} {file}, additional", {**plain, "additional_special_tokens": ["<ent>", "<new>"]}, tokenizer__json=file)
            case(f"{name} {file}, extra", {**plain, "extra_special_tokens": ["<ent>"], "additional_special_tokens": ["<new>"]},
                 tokenizer__json=file)
            case(f"{name} {file}, extra by name", {**plain, "extra_special_tokens": {"image_token": "<ent>"}}, tokenizer__json=file)
            case(f"{name} {file}, a token of its own", {**plain, "image_token": "<new>"}, tokenizer__json=file)
            case(f"{name} {file}, added_tokens.json", {**plain, "mask_token": "<ent>"}, tokenizer__json=file,
                 added_tokens__json={"<new>": 42, "<ent>": 43})
            case(f"{name} {file}, added_tokens.json and decoder", {**plain, "added_tokens_decoder": decoder}, tokenizer__json=file,
                 added_tokens__json={"sat house": 70})
            case(f"{name} {file}, special_tokens_map.json", {**plain, "mask_token": "[MASK]"}, tokenizer__json=file,
                 special_tokens_map__json={"mask_token": entry("<mask>", lstrip=True), "additional_special_tokens": ["<ent>"]})
            case(f"{name} {file}, map and decoder", {**plain, "added_tokens_decoder": decoder}, tokenizer__json=file,
                 special_tokens_map__json={"mask_token": "<mask>", "additional_special_tokens": ["<other>"]})
            case(f"{name} {file}, mask elsewhere", {**plain, "mask_token": "<ent>"}, tokenizer__json=file)
            case(f"{name} {file}, no mask", {**plain, "mask_token": None, "pad_token": "<pad>"}, tokenizer__json=file)
            case(f"{name} {file}, split", {**plain, "split_special_tokens": True}, tokenizer__json=file)
    for file in ["vocab.txt", "vocab-no-mask.txt"]:
        for name in ["BertTokenizer", "BertTokenizerFast", "DistilBertTokenizer", "ElectraTokenizerFast", "MPNetTokenizer"]:
            for flag in flags[:4]:
                case(f"{name} {file} {flag}", {"tokenizer_class": name, **flag}, vocab__txt=file)
        plain = {"tokenizer_class": "BertTokenizer"}
        case(f"{file}, decoder", {**plain, "added_tokens_decoder": decoder}, vocab__txt=file)
        case(f"{file}, added_tokens.json", plain, vocab__txt=file, added_tokens__json={"<new>": 40, "<ent>": 41})
        case(f"{file}, additional", {**plain, "additional_special_tokens": ["<ent>"]}, vocab__txt=file)
        case(f"{file}, bert", {}, vocab__txt=file, config__json={"model_type": "bert"})
        for model in ["visual_bert", "blip", "bros"]:
            case(f"{file}, {model}", None, vocab__txt=file, config__json={"model_type": model})
    for name in ["GPT2Tokenizer", "GPT2TokenizerFast", "RobertaTokenizer", "RobertaTokenizerFast", "BartTokenizer"]:
        for flag in [{}, {"add_prefix_space": True}, {"add_bos_token": True}, {"add_bos_token": True, "add_eos_token": True},
                     {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"},
                     {"mask_token": entry("<mask>", lstrip=True) | {"__type": "AddedToken"}}]:
            case(f"{name} merges {flag}", {"tokenizer_class": name, **flag}, vocab__json="vocab.json", merges__txt="merges.txt")
    for model in ["gpt2", "roberta", "bart", "gptj", "opt", "phi", "starcoder2", "led", "lilt", "longformer", "roberta-prelayernorm"]:
        case(f"merges, {model}", None, vocab__json="vocab.json", merges__txt="merges.txt", config__json={"model_type": model})
        case(f"merges, {model}, map", None, vocab__json="vocab.json", merges__txt="merges.txt",
             config__json={"model_type": model},
             special_tokens_map__json={"mask_token": entry("<mask>", lstrip=True), "bos_token": "<s>", "eos_token": "</s>"})
    return cases


def run(case: dict, contents: dict[str, str], folder: Path) -> dict:
    for name, value in case["folder"].items():
        text = contents[value] if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        (folder / name).write_text(text, encoding="utf-8")
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        ids = [" ".join(map(str, tokenizer(text)["input_ids"])) for text in TEXTS]
        size = max(tokenizer.get_vocab().values()) + 1
    except Exception as error:  # noqa: BLE001
        return {**case, "error": type(error).__name__}
    names = ["pad", "unk", "cls", "sep", "mask", "bos", "eos"]
    roles = {name: getattr(tokenizer, f"{name}_token_id") for name in names if getattr(tokenizer, f"{name}_token")}
    return {**case, "ids": ids, "size": size, "roles": roles}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    args = parser.parse_args()
    contents, cases = files(), []
    for case in folders():
        with tempfile.TemporaryDirectory() as folder:
            cases.append(run(case, contents, Path(folder)))
    versions = {"transformers": transformers.__version__, "tokenizers": tokenizers.__version__}
    lines = [json.dumps(case, ensure_ascii=False) for case in cases]
    head = json.dumps({"made_with": versions, "texts": TEXTS, "files": contents}, ensure_ascii=False, indent=1)
    text = head[:-2] + ',\n "cases": [\n' + ",\n".join(lines) + "\n ]\n}\n"
    json.loads(text)
    (args.out / "case.json").write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
