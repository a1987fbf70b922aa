"""The audio tower of a tiny E model: tensors that a conversion carries along and nobody runs."""

import json

import numpy as np

import safetensors_io
import tiny_vision
from tiny_checkpoints import generator

MEL_BINS = 128  # as many as the first convolution has channels: transformers takes one for the other

CONFIG = {
    "model_type": "gemma4_audio",
    "dtype": "bfloat16",
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "hidden_act": "silu",
    "subsampling_conv_channels": [MEL_BINS, 4],
    "conv_kernel_size": 5,
    "residual_weight": 0.5,
    "attention_chunk_size": 12,
    "attention_context_left": 13,
    "attention_context_right": 0,
    "attention_logit_cap": 50.0,
    "attention_invalid_logits_value": -1e9,
    "use_clipped_linears": True,
    "rms_norm_eps": 1e-6,
    "gradient_clipping": 1e10,
    "output_proj_dims": 128,
    "initializer_range": 0.02,
}


def shapes(text_hidden):
    """Name (without "model.") -> shape, as transformers saves them: convolutions [out, in, …]."""
    hidden, (first, second) = CONFIG["hidden_size"], CONFIG["subsampling_conv_channels"]
    result = {
        "embed_audio.embedding_projection.weight": (text_hidden, CONFIG["output_proj_dims"]),
        "audio_tower.output_proj.weight": (CONFIG["output_proj_dims"], hidden),
        "audio_tower.output_proj.bias": (CONFIG["output_proj_dims"],),
    }
    projection = "audio_tower.subsample_conv_projection."
    result.update({
        projection + "layer0.conv.weight": (first, 1, 3, 3),
        projection + "layer0.norm.weight": (first,),
        projection + "layer1.conv.weight": (second, first, 3, 3),
        projection + "layer1.norm.weight": (second,),
        projection + "input_proj_linear.weight": (hidden, MEL_BINS // 4 * second),
    })
    linears = {f"self_attn.{name}": (hidden, hidden)
               for name in ("q_proj", "k_proj", "v_proj", "post")}
    for block in ("feed_forward1", "feed_forward2"):
        linears[block + ".ffw_layer_1"] = (4 * hidden, hidden)
        linears[block + ".ffw_layer_2"] = (hidden, 4 * hidden)
    linears["lconv1d.linear_start"] = (2 * hidden, hidden)
    linears["lconv1d.linear_end"] = (hidden, hidden)
    norms = ["norm_pre_attn", "norm_post_attn", "norm_out", "lconv1d.pre_layer_norm",
             "lconv1d.conv_norm"]
    norms += [f"feed_forward{n}.{name}_layer_norm" for n in (1, 2) for name in ("pre", "post")]
    for index in range(CONFIG["num_hidden_layers"]):
        layer = f"audio_tower.layers.{index}."
        for name, shape in linears.items():
            result[f"{layer}{name}.linear.weight"] = shape
            for bound in ("input_min", "input_max", "output_min", "output_max"):
                result[f"{layer}{name}.{bound}"] = ()
        result.update({f"{layer}{name}.weight": (hidden,) for name in norms})
        result[layer + "self_attn.per_dim_scale"] = (hidden // CONFIG["num_attention_heads"],)
        result[layer + "self_attn.relative_k_proj.weight"] = (hidden, hidden)
        result[layer + "lconv1d.depthwise_conv1d.weight"] = (
            hidden, 1, CONFIG["conv_kernel_size"])
    return result


def values(name, shape):
    random = generator("audio", name)
    if name.endswith("_min"):
        return -random.uniform(2, 9, shape)
    if name.endswith("_max"):
        return random.uniform(2, 9, shape)
    if len(shape) < 2:
        return random.uniform(0.25, 1.75, shape)
    return random.normal(0, 1 / np.sqrt(np.prod(shape[1:])), shape)


def write(kind, folder):
    """The checkpoint that tiny_vision writes for `kind`, in Hugging Face form, with audio in it."""
    tiny_vision.write(kind, "hf", folder)
    config = json.loads((folder / "config.json").read_text())
    config["audio_config"] = CONFIG
    (folder / "config.json").write_text(json.dumps(config, indent=2))
    tensors = tiny_vision.tensors(kind, "hf")
    for name, shape in shapes(config["text_config"]["hidden_size"]).items():
        bits = safetensors_io.to_bf16_bits(values(name, shape)).reshape(shape)
        tensors["model." + name] = ("BF16", bits)
    safetensors_io.write(folder / "model.safetensors", tensors, {"format": "pt"})
    return folder
