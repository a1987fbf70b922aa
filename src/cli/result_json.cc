#include "cli/result_json.h"

#include <cstdio>

#include "base/fail.h"

namespace octavo::cli {
namespace {

using Json = nlohmann::ordered_json;

Json tool_calls(const std::vector<ToolCall>& calls) {
  Json list = Json::array();
  for (const ToolCall& call : calls) {
    const bool parsed = call.status == ToolCall::Status::kOk;
    list.push_back({{"id", call.id},
                    {"name", call.name},
                    {"arguments", parsed ? Json::parse(call.arguments) : Json(call.arguments)},
                    {"status", to_string(call.status)}});
    if (!call.error.empty()) list.back()["error"] = call.error;
  }
  return list;
}

Json logprobs(const std::vector<TokenLogprob>& tokens, const Model& model) {
  const auto entry = [&](int32_t token, float logprob) {
    return Json{
        {"token", token}, {"text", model.decode(std::span(&token, 1))}, {"logprob", logprob}};
  };
  Json list = Json::array();
  for (const TokenLogprob& token : tokens) {
    list.push_back(entry(token.token, token.logprob));
    Json& top = list.back()["top"] = Json::array();
    for (const auto& [id, logprob] : token.top) top.push_back(entry(id, logprob));
  }
  return list;
}

}  // namespace

Json to_json(const Result& result, const Model& model) {
  Json json{{"text", result.text},
            {"reasoning", result.thinking},
            {"tokens", result.tokens},
            {"finish_reason", to_string(result.finish_reason)},
            {"usage",
             {{"prompt_tokens", result.prompt_tokens},
              {"completion_tokens", result.num_tokens},
              {"reasoning_tokens", result.reasoning_tokens},
              {"cached_tokens", result.cached_tokens},
              {"image_tokens", result.image_tokens},
              {"images_encoded", result.images_encoded}}},
            {"timings",
             {{"ttft_ms", result.performance.ttft_ms},
              {"prefill_tok_s", result.performance.prefill_tok_s},
              {"decode_tok_s", result.performance.decode_tok_s}}},
            {"seed", result.seed}};
  if (!result.tool_calls.empty()) json["tool_calls"] = tool_calls(result.tool_calls);
  if (!result.logprobs.empty()) json["logprobs"] = logprobs(result.logprobs, model);
  return json;
}

void print_json(const Json& json) {
  const std::string text = json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  if (!written || std::fflush(stdout) != 0) fail(ErrorCode::kIo, "standard output: cannot write");
}

}  // namespace octavo::cli
