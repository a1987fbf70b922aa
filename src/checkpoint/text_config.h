// checkpoint: the text part of config.json. Part of ModelConfig::parse.
#pragma once

#include "checkpoint/config_reader.h"
#include "checkpoint/model_config.h"

namespace octavo {

/// `text` reads the object with the text keys; `root` the whole file, which may repeat some of
/// them.
TextConfig parse_text_config(const ConfigReader& text, const ConfigReader& root);

}  // namespace octavo
