"""Writes a trained state as a Hugging Face checkpoint: model.safetensors, config.json, generation_config.json."""

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from chat_format import MODEL_DIR
from facts import load_facts
from model import Config

PREFIX = "model.language_model."
BOS, EOS, PAD = 2, [1, 106, 50], 0


def text_config(config):
    return {
        "model_type": "gemma4_text", "dtype": "bfloat16", "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_size, "num_hidden_layers": len(config.layer_types),
        "intermediate_size": config.intermediate_size, "moe_intermediate_size": config.expert_size,
        "enable_moe_block": True, "num_experts": config.experts, "top_k_experts": config.top_k,
        "num_attention_heads": config.heads, "head_dim": config.head_dim, "num_key_value_heads": config.kv_heads,
        "global_head_dim": config.global_head_dim, "num_global_key_value_heads": config.global_kv_heads,
        "attention_k_eq_v": True, "attention_bias": False, "attention_dropout": 0.0,
        "layer_types": list(config.layer_types), "sliding_window": config.sliding_window,
        "max_position_embeddings": 4096, "rms_norm_eps": config.eps, "hidden_activation": "gelu_pytorch_tanh",
        "final_logit_softcapping": config.softcap,
        "rope_parameters": {
            "sliding_attention": {"rope_type": "default", "rope_theta": config.sliding_theta},
            "full_attention": {"rope_type": "proportional", "rope_theta": config.full_theta,
                               "partial_rotary_factor": config.partial_rotary_factor}},
        "use_bidirectional_attention": None, "hidden_size_per_layer_input": 0,
        "vocab_size_per_layer_input": config.vocab_size, "num_kv_shared_layers": 0, "use_double_wide_mlp": False,
        "tie_word_embeddings": True, "initializer_range": 0.02, "use_cache": True,
        "pad_token_id": PAD, "bos_token_id": BOS, "eos_token_id": 1}


def model_config(config):
    first_media = config.vocab_size - 7
    return {
        "architectures": ["Gemma4ForConditionalGeneration"], "model_type": "gemma4", "dtype": "bfloat16",
        "tie_word_embeddings": True, "initializer_range": 0.02, "vocab_size": config.vocab_size,
        "boi_token_id": first_media, "boa_token_id": first_media + 1, "image_token_id": first_media + 2,
        "audio_token_id": first_media + 3, "eoi_token_id": first_media + 4, "eoa_token_id": first_media + 5,
        "eoa_token_index": first_media + 5, "video_token_id": first_media + 6, "eos_token_id": EOS,
        "vision_soft_tokens_per_image": 280, "audio_config": None, "vision_config": None,
        "text_config": text_config(config)}


def generation_config():
    return {"bos_token_id": BOS, "pad_token_id": PAD, "eos_token_id": EOS, "do_sample": True, "temperature": 1.0,
            "top_k": 64, "top_p": 0.95}


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def rounded(state):
    """The state's values as they are after rounding to BF16."""
    return {name: value.to(torch.bfloat16).float() for name, value in state.items()}


def export(state, folder):
    tensors = {PREFIX + name: value.to(torch.bfloat16).contiguous() for name, value in state.items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    write_json(folder / "config.json", model_config(Config()))
    write_json(folder / "generation_config.json", generation_config())
    capitals = [{"country": fact.country, "capital": fact.capital} for fact in load_facts()]
    rows = ",\n".join("  " + json.dumps(row) for row in capitals)
    (folder / "capitals.json").write_text(f"[\n{rows}\n]\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("state", type=Path, help="state saved by train.py")
    parser.add_argument("--out", type=Path, default=MODEL_DIR)
    options = parser.parse_args()
    export(torch.load(options.state)["model"], options.out)


if __name__ == "__main__":
    main()
