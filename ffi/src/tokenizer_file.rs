//! Reads a tokenizer.json. The crate's own reader copies a vocabulary of the size of Gemma's four
//! times before it builds the model; this one passes it to the crate's builders at once.

use std::fmt;

use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use tokenizers::models::bpe::{BPE, Merges, Vocab};
use tokenizers::{
    AddedToken, DecoderWrapper, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper,
    TokenizerBuilder, TokenizerImpl,
};

use crate::guard::Failure;

pub type BpeTokenizer = TokenizerImpl<
    BPE,
    NormalizerWrapper,
    PreTokenizerWrapper,
    PostProcessorWrapper,
    DecoderWrapper,
>;

/// Truncation and padding are left out: they are settings of training.
#[derive(Deserialize)]
pub struct TokenizerFile {
    version: Option<String>,
    #[serde(default)]
    added_tokens: Vec<AddedToken>,
    normalizer: Option<NormalizerWrapper>,
    pre_tokenizer: Option<PreTokenizerWrapper>,
    post_processor: Option<PostProcessorWrapper>,
    decoder: Option<DecoderWrapper>,
    model: Model,
}

#[derive(Deserialize)]
struct Model {
    #[serde(rename = "type")]
    kind: Option<String>,
    dropout: Option<f32>,
    unk_token: Option<String>,
    continuing_subword_prefix: Option<String>,
    end_of_word_suffix: Option<String>,
    fuse_unk: Option<bool>,
    byte_fallback: Option<bool>,
    ignore_merges: Option<bool>,
    vocab: Entries,
    merges: Vec<Merge>,
}

/// Token and id, in the order of the file.
struct Entries(Vec<(String, u32)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Entries;
            fn expecting(&self, to: &mut fmt::Formatter) -> fmt::Result {
                to.write_str("an object of tokens and ids")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

/// Two tokens, `["a", "b"]` or `"a b"`; none for the comment line `"#version: …"`.
struct Merge(Option<(String, String)>);

impl<'de> Deserialize<'de> for Merge {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pair;
        impl<'de> Visitor<'de> for Pair {
            type Value = Merge;
            fn expecting(&self, to: &mut fmt::Formatter) -> fmt::Result {
                to.write_str("a merge, [\"a\", \"b\"] or \"a b\"")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Merge, A::Error> {
                let left = seq.next_element()?.ok_or_else(|| A::Error::invalid_length(0, &self))?;
                let right =
                    seq.next_element()?.ok_or_else(|| A::Error::invalid_length(1, &self))?;
                match seq.next_element::<String>()? {
                    None => Ok(Merge(Some((left, right)))),
                    Some(_) => Err(A::Error::invalid_length(3, &self)),
                }
            }
            fn visit_str<E: Error>(self, line: &str) -> Result<Merge, E> {
                if line.starts_with("#version") {
                    return Ok(Merge(None));
                }
                match line.split_once(' ') {
                    Some((left, right)) if !right.contains(' ') => {
                        Ok(Merge(Some((left.to_owned(), right.to_owned()))))
                    }
                    _ => Err(E::invalid_value(serde::de::Unexpected::Str(line), &self)),
                }
            }
        }
        deserializer.deserialize_any(Pair)
    }
}

impl TokenizerFile {
    pub fn parse(json: &str) -> Result<Self, Failure> {
        serde_json::from_str(json).map_err(not_a_tokenizer)
    }

    /// The vocabulary without added tokens.
    pub fn entries(&self) -> &[(String, u32)] {
        &self.model.vocab.0
    }

    pub fn build(self) -> Result<BpeTokenizer, Failure> {
        if let Some(version) = self.version.filter(|version| version != "1.0") {
            return Err(not_a_tokenizer(format!("unknown version {version:?}, expected \"1.0\"")));
        }
        let mut tokenizer = TokenizerBuilder::new()
            .with_normalizer(self.normalizer)
            .with_pre_tokenizer(self.pre_tokenizer)
            .with_post_processor(self.post_processor)
            .with_decoder(self.decoder)
            .with_model(self.model.build()?)
            .build()
            .map_err(not_a_tokenizer)?;
        tokenizer.add_tokens(self.added_tokens).map_err(not_a_tokenizer)?;
        Ok(tokenizer)
    }
}

impl Model {
    fn build(self) -> Result<BPE, Failure> {
        if let Some(kind) = self.kind.filter(|kind| kind != "BPE") {
            return Err(not_a_tokenizer(format!("a model of type {kind:?}, expected \"BPE\"")));
        }
        let count = self.vocab.0.len();
        let vocab: Vocab = self.vocab.0.into_iter().collect();
        if vocab.len() != count {
            return Err(not_a_tokenizer("the vocabulary has a token twice"));
        }
        let merges: Merges = self.merges.into_iter().filter_map(|merge| merge.0).collect();
        let mut builder = BPE::builder()
            .vocab_and_merges(vocab, merges)
            .fuse_unk(self.fuse_unk.unwrap_or(false))
            .byte_fallback(self.byte_fallback.unwrap_or(false))
            .ignore_merges(self.ignore_merges.unwrap_or(false));
        if let Some(dropout) = self.dropout {
            builder = builder.dropout(dropout);
        }
        if let Some(token) = self.unk_token {
            builder = builder.unk_token(token);
        }
        if let Some(prefix) = self.continuing_subword_prefix {
            builder = builder.continuing_subword_prefix(prefix);
        }
        if let Some(suffix) = self.end_of_word_suffix {
            builder = builder.end_of_word_suffix(suffix);
        }
        builder.build().map_err(not_a_tokenizer)
    }
}

fn not_a_tokenizer(reason: impl fmt::Display) -> Failure {
    Failure::bad_input(format!("not a tokenizer: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::str::FromStr;
    use tokenizers::Tokenizer;

    const CAPITALS: &str = include_str!("../../models/capitals/tokenizer.json");

    fn with_model(json: &str) -> Result<BpeTokenizer, String> {
        TokenizerFile::parse(&format!("{{\"model\": {json}}}"))
            .and_then(TokenizerFile::build)
            .map_err(|failure| failure.message)
    }

    /// Whatever the crate's own reader makes of the file.
    #[test]
    fn the_same_tokenizer_as_the_crates_reader() {
        let ours = TokenizerFile::parse(CAPITALS).unwrap().build().unwrap();
        let mut theirs = Tokenizer::from_str(CAPITALS).unwrap();
        theirs.with_truncation(None).unwrap().with_padding(None);
        assert_eq!(serde_json::to_string(&ours).unwrap(), serde_json::to_string(&*theirs).unwrap());
        for text in ["<bos><|turn>user\nWhat is the capital?<turn|>", "a  b \u{1F642} é \t\n", ""]
        {
            let ours = ours.encode_fast(text, false).unwrap();
            assert_eq!(ours.get_ids(), theirs.encode_fast(text, false).unwrap().get_ids());
        }
    }

    #[test]
    fn both_ways_to_write_merges() {
        let vocab = r#""vocab": {"a": 0, "b": 1, "ab": 2}"#;
        for merges in [r#"["a b"]"#, r#"[["a", "b"]]"#, r##"["#version: 0.2", "a b"]"##] {
            let model = format!("{{\"type\": \"BPE\", {vocab}, \"merges\": {merges}}}");
            let tokenizer = with_model(&model).unwrap();
            assert_eq!(tokenizer.encode_fast("ab", false).unwrap().get_ids(), [2]);
        }
        for merges in [r#"["a"]"#, r#"["a b c"]"#, r#"[["a"]]"#, r#"[["a", "b", "c"]]"#, "[7]"] {
            let model = format!("{{\"type\": \"BPE\", {vocab}, \"merges\": {merges}}}");
            let error = with_model(&model).err().unwrap();
            assert!(error.contains("expected a merge"), "{error}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cases = [
            (r#"{"type": "Unigram", "vocab": {}, "merges": []}"#, "Unigram"),
            (r#"{"type": "BPE", "vocab": {"a": 0, "a": 1}, "merges": []}"#, "a token twice"),
            (r#"{"type": "BPE", "vocab": {"a": 0}, "merges": [["a", "z"]]}"#, "`z`"),
            (r#"{"type": "BPE", "vocab": {"a": 0}}"#, "missing field `merges`"),
            (r#"{"type": "BPE", "vocab": {"a": 0}, "merges": [], "dropout": 2}"#, "ropout"),
        ];
        for (model, expected) in cases {
            let error = with_model(model).err().unwrap();
            assert!(error.starts_with("not a tokenizer: "), "{error}");
            assert!(error.contains(expected), "{error}");
        }
        let file = r#"{"version": "2", "model": {"vocab": {"a": 0}, "merges": []}}"#;
        let error = TokenizerFile::parse(file).unwrap().build().err().unwrap().message;
        assert!(error.contains("unknown version \"2\""), "{error}");
    }
}
