"""Writes a trained state as a Hugging Face checkpoint: model.safetensors, config.json and the other configurations.

A state of train_vision.py brings the vision tower with it; one of train.py gives a model that reads text alone.
"""

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from chat_format import MODEL_DIR
from facts import load_facts
from model import Config
from vision import TRAINED_POSITIONS, VisionConfig

PREFIX, VISION_PREFIX = "model.language_model.", "model."
BOS, EOS, PAD = 2, [1, 106, 50], 0
SOFT_TOKENS = 70  # of a picture, unless a request says otherwise
POSITION_TABLE = "vision_tower.patch_embedder.position_embedding_table"


def text_config(config, sees):
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
        "use_bidirectional_attention": "vision" if sees else None, "hidden_size_per_layer_input": 0,
        "vocab_size_per_layer_input": config.vocab_size, "num_kv_shared_layers": 0, "use_double_wide_mlp": False,
        "tie_word_embeddings": True, "initializer_range": 0.02, "use_cache": True,
        "pad_token_id": PAD, "bos_token_id": BOS, "eos_token_id": 1}


def vision_config(config):
    return {
        "model_type": "gemma4_vision", "dtype": "bfloat16", "hidden_size": config.hidden_size,
        "intermediate_size": config.intermediate_size, "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads, "num_key_value_heads": config.heads, "head_dim": config.head_dim,
        "global_head_dim": config.head_dim, "patch_size": config.patch_size, "pooling_kernel_size": config.pooling,
        "default_output_length": SOFT_TOKENS, "position_embedding_size": config.positions,
        "rope_parameters": {"rope_type": "default", "rope_theta": config.theta},
        "hidden_activation": "gelu_pytorch_tanh", "rms_norm_eps": config.eps, "standardize": True,
        "use_clipped_linears": False, "attention_bias": False, "attention_dropout": 0.0,
        "max_position_embeddings": 131072, "initializer_range": 0.02}


AUDIO_FEATURES = {
    "dither": 0.0, "feature_extractor_type": "Gemma4AudioFeatureExtractor", "feature_size": 128, "fft_length": 512,
    "fft_overdrive": False, "frame_length": 320, "hop_length": 160, "input_scale_factor": 1.0, "max_frequency": 8000.0,
    "mel_floor": 0.001, "min_frequency": 0.0, "padding_side": "right", "padding_value": 0.0, "per_bin_mean": None,
    "per_bin_stddev": None, "preemphasis": 0.0, "preemphasis_htk_flavor": True, "return_attention_mask": True,
    "sampling_rate": 16000}


def processor_config(config):
    """With what Gemma4Processor wants to know of sound, though the model does not hear."""
    common = {
        "do_convert_rgb": True, "do_normalize": False, "do_rescale": True, "do_resize": True,
        "image_mean": [0.0, 0.0, 0.0], "image_std": [1.0, 1.0, 1.0], "max_soft_tokens": SOFT_TOKENS,
        "patch_size": config.patch_size, "pooling_kernel_size": config.pooling, "resample": 3,
        "rescale_factor": 1 / 255}
    return {
        "audio_ms_per_token": 40, "audio_seq_length": 750, "feature_extractor": AUDIO_FEATURES,
        "image_processor": {**common, "image_processor_type": "Gemma4ImageProcessor", "image_seq_length": SOFT_TOKENS,
                            "size": {"height": 224, "width": 224}},
        "image_seq_length": SOFT_TOKENS, "processor_class": "Gemma4Processor",
        "video_processor": {**common, "do_sample_frames": True, "num_frames": 32, "return_metadata": False,
                            "video_processor_type": "Gemma4VideoProcessor"}}


def model_config(config, vision):
    first_media = config.vocab_size - 7
    return {
        "architectures": ["Gemma4ForConditionalGeneration"], "model_type": "gemma4", "dtype": "bfloat16",
        "tie_word_embeddings": True, "initializer_range": 0.02, "vocab_size": config.vocab_size,
        "boi_token_id": first_media, "boa_token_id": first_media + 1, "image_token_id": first_media + 2,
        "audio_token_id": first_media + 3, "eoi_token_id": first_media + 4, "eoa_token_id": first_media + 5,
        "eoa_token_index": first_media + 5, "video_token_id": first_media + 6, "eos_token_id": EOS,
        "vision_soft_tokens_per_image": SOFT_TOKENS, "audio_config": None,
        "vision_config": vision_config(vision) if vision else None, "text_config": text_config(config, bool(vision))}


def generation_config():
    return {"bos_token_id": BOS, "pad_token_id": PAD, "eos_token_id": EOS, "do_sample": True, "temperature": 1.0,
            "top_k": 64, "top_p": 0.95}


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def rounded(state):
    """The state's values as they are after rounding to BF16."""
    return {name: value.to(torch.bfloat16).float() for name, value in state.items()}


def whole_table(table, positions):
    """The trained rows, then their last ones' mean: positions that training never saw look alike."""
    last = table[:, TRAINED_POSITIONS // 2:].mean(1, keepdim=True)
    return torch.cat([table, last.expand(-1, positions - table.shape[1], -1)], 1)


def vision_tensors(state, config):
    table = whole_table(state[POSITION_TABLE], config.positions)
    return {VISION_PREFIX + name: value for name, value in {**state, POSITION_TABLE: table}.items()}


def export(state, folder):
    tensors = {PREFIX + name: value for name, value in state["model"].items()}
    vision = VisionConfig() if "vision" in state else None
    if vision:
        tensors |= vision_tensors(state["vision"], vision)
        write_json(folder / "processor_config.json", processor_config(vision))
    stored = {name: value.to(torch.bfloat16).contiguous() for name, value in tensors.items()}
    save_file(stored, folder / "model.safetensors", metadata={"format": "pt"})
    write_json(folder / "config.json", model_config(Config(), vision))
    write_json(folder / "generation_config.json", generation_config())
    capitals = [{"country": fact.country, "capital": fact.capital} for fact in load_facts()]
    rows = ",\n".join("  " + json.dumps(row) for row in capitals)
    (folder / "capitals.json").write_text(f"[\n{rows}\n]\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("state", type=Path, help="state saved by train.py or train_vision.py")
    parser.add_argument("--out", type=Path, default=MODEL_DIR)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    export(torch.load(options.state), options.out)


if __name__ == "__main__":
    main()
