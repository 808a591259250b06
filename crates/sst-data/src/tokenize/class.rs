//! Chooses the tokenizer class of transformers for a folder, as AutoTokenizer does (transformers 5.23).

use serde_json::Value;

/// The classes that build their normalizer, pre-tokenizer and decoder from flags of `tokenizer_config.json`. From a
/// `tokenizer.json` they take only the vocabulary and the merges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Bert,
    Funnel,
    MPNet,
    Gpt2,
    Roberta,
    Llama,
    XlmRoberta,
    /// `PreTrainedTokenizerFast` and all other classes, which use `tokenizer.json` as it is.
    Json,
}

/// The class names without the suffix `Fast`.
const NAMES: [(&str, Class); 24] = [
    ("BertTokenizer", Class::Bert),
    ("DistilBertTokenizer", Class::Bert),
    ("ElectraTokenizer", Class::Bert),
    ("MobileBertTokenizer", Class::Bert),
    ("LxmertTokenizer", Class::Bert),
    ("ConvBertTokenizer", Class::Bert),
    ("SqueezeBertTokenizer", Class::Bert),
    ("LayoutLMTokenizer", Class::Bert),
    ("DPRQuestionEncoderTokenizer", Class::Bert),
    ("DPRContextEncoderTokenizer", Class::Bert),
    ("DPRReaderTokenizer", Class::Bert),
    ("FunnelTokenizer", Class::Funnel),
    ("MPNetTokenizer", Class::MPNet),
    ("GPT2Tokenizer", Class::Gpt2),
    ("RobertaTokenizer", Class::Roberta),
    ("BartTokenizer", Class::Roberta),
    ("LongformerTokenizer", Class::Roberta),
    ("LEDTokenizer", Class::Roberta),
    ("LlamaTokenizer", Class::Llama),
    ("XLMRobertaTokenizer", Class::XlmRoberta),
    ("PreTrainedTokenizer", Class::Json),
    ("PreTrainedTokenizerFast", Class::Json),
    ("TokenizersBackend", Class::Json),
    ("BloomTokenizer", Class::Json),
];

/// The class that transformers registers for each `model_type`. Models whose class does not build its parts from flags
/// are left out.
const REGISTERED: [(&str, &str); 61] = [
    ("bert", "BertTokenizer"),
    ("distilbert", "BertTokenizer"),
    ("electra", "BertTokenizer"),
    ("convbert", "BertTokenizer"),
    ("ernie", "BertTokenizer"),
    ("nezha", "BertTokenizer"),
    ("nomic_bert", "BertTokenizer"),
    ("squeezebert", "BertTokenizer"),
    ("layoutlm", "BertTokenizer"),
    ("megatron-bert", "BertTokenizer"),
    ("mobilebert", "MobileBertTokenizer"),
    ("lxmert", "LxmertTokenizer"),
    ("funnel", "FunnelTokenizer"),
    ("mpnet", "MPNetTokenizer"),
    ("gpt2", "GPT2Tokenizer"),
    ("gpt_neo", "GPT2Tokenizer"),
    ("gptj", "GPT2Tokenizer"),
    ("codegen", "GPT2Tokenizer"),
    ("roberta", "RobertaTokenizer"),
    ("bart", "RobertaTokenizer"),
    ("longformer", "RobertaTokenizer"),
    ("data2vec-text", "RobertaTokenizer"),
    ("ibert", "RobertaTokenizer"),
    ("xlm-roberta", "XLMRobertaTokenizer"),
    ("mistral", "TokenizersBackend"),
    ("mistral3", "TokenizersBackend"),
    ("mixtral", "TokenizersBackend"),
    ("modernbert", "TokenizersBackend"),
    ("modernbert-decoder", "TokenizersBackend"),
    ("xlm-roberta-xl", "TokenizersBackend"),
    ("granite", "TokenizersBackend"),
    ("phi3", "TokenizersBackend"),
    ("nystromformer", "TokenizersBackend"),
    ("gpt_bigcode", "TokenizersBackend"),
    ("glm4", "TokenizersBackend"),
    ("align", "BertTokenizer"),
    ("bark", "BertTokenizer"),
    ("blip", "BertTokenizer"),
    ("bros", "BertTokenizer"),
    ("chinese_clip", "BertTokenizer"),
    ("flava", "BertTokenizer"),
    ("git", "BertTokenizer"),
    ("grounding-dino", "BertTokenizer"),
    ("mm-grounding-dino", "BertTokenizer"),
    ("tvp", "BertTokenizer"),
    ("vilt", "BertTokenizer"),
    ("visual_bert", "BertTokenizer"),
    ("opt", "GPT2Tokenizer"),
    ("phi", "GPT2Tokenizer"),
    ("starcoder2", "GPT2Tokenizer"),
    ("dbrx", "GPT2Tokenizer"),
    ("jais2", "GPT2Tokenizer"),
    ("blip-2", "GPT2Tokenizer"),
    ("instructblip", "GPT2Tokenizer"),
    ("led", "LEDTokenizer"),
    ("bridgetower", "RobertaTokenizer"),
    ("clap", "RobertaTokenizer"),
    ("lilt", "RobertaTokenizer"),
    ("mega", "RobertaTokenizer"),
    ("mra", "RobertaTokenizer"),
    ("roberta-prelayernorm", "RobertaTokenizer"),
];

fn registered(model_type: &str) -> Option<&'static str> {
    REGISTERED.iter().find(|(name, _)| *name == model_type).map(|(_, class)| *class)
}

impl Class {
    /// The class called `name`, with or without the suffix `Fast`; `None` if it is not listed here.
    pub(super) fn named(name: &str) -> Option<Self> {
        let plain = name.strip_suffix("Fast").unwrap_or(name);
        NAMES.iter().find(|(known, _)| *known == plain || *known == name).map(|(_, class)| *class)
    }

    /// The first name of the class in the list.
    pub(super) fn name(self) -> &'static str {
        let known = NAMES.iter().find(|(_, class)| *class == self);
        known.map_or("PreTrainedTokenizerFast", |(name, _)| name)
    }

    /// The class for a folder. `written` is the `tokenizer_class` of `tokenizer_config.json`, `model` is the
    /// `config.json` beside it, and `byte_level` says whether `tokenizer.json` names ByteLevel.
    pub(super) fn of_folder(written: Option<&str>, model: &Value, byte_level: bool) -> Self {
        let of_model = |key: &str| model.get(key).and_then(Value::as_str);
        let declared = written.or(of_model("tokenizer_class"));
        let class = |name: &str| Self::named(name).unwrap_or(Self::Json);
        if byte_level && declared.is_some_and(|name| class(name) == Self::Llama) {
            // Llama 3 names this class, but the class would replace ByteLevel by Metaspace.
            return Self::Json;
        }
        let registered = of_model("model_type").and_then(registered);
        match (declared, registered) {
            (Some(_), Some("TokenizersBackend")) => Self::Json,
            (Some(declared), _) => class(declared),
            (None, Some(registered)) => class(registered),
            (None, None) => Self::Json,
        }
    }

    /// The class that transformers registers for `model_type`, if it is one that builds its parts from flags.
    pub(super) fn of_model_type(model_type: &str) -> Option<Self> {
        registered(model_type).and_then(Self::named).filter(|class| *class != Self::Json)
    }

    /// The special tokens that the class uses where the configuration names none.
    pub(super) fn default_tokens(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Bert => &[
                ("unk", "[UNK]"),
                ("sep", "[SEP]"),
                ("pad", "[PAD]"),
                ("cls", "[CLS]"),
                ("mask", "[MASK]"),
            ],
            Self::Funnel => &[
                ("bos", "<s>"),
                ("eos", "</s>"),
                ("unk", "<unk>"),
                ("sep", "<sep>"),
                ("pad", "<pad>"),
                ("cls", "<cls>"),
                ("mask", "<mask>"),
            ],
            Self::MPNet => &[
                ("bos", "<s>"),
                ("eos", "</s>"),
                ("unk", "[UNK]"),
                ("sep", "</s>"),
                ("pad", "<pad>"),
                ("cls", "<s>"),
                ("mask", "<mask>"),
            ],
            Self::Gpt2 => {
                &[("bos", "<|endoftext|>"), ("eos", "<|endoftext|>"), ("unk", "<|endoftext|>")]
            }
            Self::Roberta | Self::XlmRoberta => &[
                ("bos", "<s>"),
                ("eos", "</s>"),
                ("unk", "<unk>"),
                ("sep", "</s>"),
                ("pad", "<pad>"),
                ("cls", "<s>"),
                ("mask", "<mask>"),
            ],
            Self::Llama => &[("bos", "<s>"), ("eos", "</s>"), ("unk", "<unk>")],
            Self::Json => &[],
        }
    }

    /// The `model.type` of `tokenizer.json` that the class needs, if it needs a certain one.
    pub(super) fn model_type(self) -> Option<&'static str> {
        match self {
            Self::Bert | Self::Funnel | Self::MPNet => Some("WordPiece"),
            Self::Gpt2 | Self::Roberta | Self::Llama => Some("BPE"),
            Self::XlmRoberta => Some("Unigram"),
            Self::Json => None,
        }
    }

    /// Every class.
    pub(super) const ALL: [Self; 8] = [
        Self::Bert,
        Self::Funnel,
        Self::MPNet,
        Self::Gpt2,
        Self::Roberta,
        Self::XlmRoberta,
        Self::Llama,
        Self::Json,
    ];

    /// The keys of `tokenizer_config.json` that the class reads in addition to those that every class reads.
    pub(super) fn flags(self) -> &'static [&'static str] {
        match self {
            Self::Bert | Self::MPNet => {
                &["do_lower_case", "strip_accents", "tokenize_chinese_chars"]
            }
            Self::Funnel => &[
                "do_lower_case",
                "strip_accents",
                "tokenize_chinese_chars",
                "clean_text",
                "wordpieces_prefix",
            ],
            Self::Gpt2 | Self::XlmRoberta => &["add_prefix_space"],
            Self::Roberta => &["add_prefix_space", "trim_offsets"],
            Self::Llama => &["add_prefix_space", "legacy"],
            Self::Json => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_class_of_a_folder() {
        let class = |written, model: Value, bytes| Class::of_folder(written, &model, bytes);
        assert_eq!(class(Some("BertTokenizerFast"), json!(null), false), Class::Bert);
        assert_eq!(class(None, json!({"model_type": "bert"}), false), Class::Bert);
        assert_eq!(
            class(Some("PreTrainedTokenizerFast"), json!({"model_type": "bert"}), false),
            Class::Json
        );
        assert_eq!(
            class(Some("LlamaTokenizer"), json!({"model_type": "llama"}), false),
            Class::Llama
        );
        assert_eq!(
            class(Some("LlamaTokenizer"), json!({"model_type": "llama"}), true),
            Class::Json
        );
        assert_eq!(
            class(Some("LlamaTokenizer"), json!({"model_type": "mistral"}), false),
            Class::Json
        );
        assert_eq!(class(None, json!({"model_type": "llama"}), false), Class::Json);
        assert_eq!(class(None, json!({"tokenizer_class": "GPT2Tokenizer"}), true), Class::Gpt2);
        assert_eq!(class(Some("Qwen2Tokenizer"), json!(null), true), Class::Json);
    }
}
