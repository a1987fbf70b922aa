// Pictures and videos on the command line, on the demo model with random eyes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "../seeing_demo.h"
#include "../temp_folder.h"
#include "run_octavo.h"

namespace octavo::cli {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

const std::string kDemo = std::string(OCTAVO_SOURCE_DIR) + "/models/capitals";

class ImagesTest : public testing::Test {
 protected:
  /// A BMP file of one colour, 24 bits per pixel.
  std::string bmp(const std::string& name, char colour, int width = 60, int height = 60) const {
    const int row = (width * 3 + 3) / 4 * 4;
    std::string file(54, '\0');
    const auto put = [&](size_t at, int value) {
      for (size_t i = 0; i < 4; ++i) file[at + i] = static_cast<char>(value >> (8 * i));
    };
    file[0] = 'B', file[1] = 'M';
    put(2, 54 + row * height), put(10, 54), put(14, 40), put(18, width), put(22, height);
    file[26] = 1, file[28] = 24;
    put(34, row * height);
    file.append(static_cast<size_t>(row * height), colour);
    return write(name, file);
  }

  std::string write(const std::string& name, const std::string& content) const {
    return folder_.write(name, content);
  }

  static std::vector<std::string> command(const std::string& name,
                                          const std::vector<std::string>& more,
                                          const std::string& model = SeeingDemo::folder()) {
    std::vector<std::string> arguments = {name,     "-m", model,          "--threads", "1",
                                          "--temp", "0",  "--max-tokens", "4"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }

  static json generate(std::vector<std::string> more) {
    more.insert(more.end(), {"-p", "What is this?", "--json"});
    const Outcome outcome = run_octavo(command("generate", more));
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return json::parse(outcome.out);
  }

  static std::string generate_error(std::vector<std::string> more, int status = 1,
                                    const std::string& model = SeeingDemo::folder()) {
    more.insert(more.end(), {"-p", "What is this?"});
    const Outcome outcome = run_octavo(command("generate", more, model));
    EXPECT_EQ(outcome.status, status) << outcome.err;
    EXPECT_EQ(outcome.out, "");
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
    return outcome.err;
  }

  TempFolder folder_;
};

TEST_F(ImagesTest, GenerateTakesPictures) {
  const std::string dark = bmp("dark.bmp", 20), light = bmp("light.bmp", 120);
  const json none = generate({});
  EXPECT_EQ(none["usage"]["image_tokens"], 0);
  EXPECT_EQ(none["usage"]["images_encoded"], 0);
  const json one = generate({"--image", dark});
  EXPECT_EQ(one["usage"]["image_tokens"], 256);  // the checkpoint's 280
  EXPECT_EQ(one["usage"]["images_encoded"], 1);
  EXPECT_EQ(one["usage"]["prompt_tokens"].get<int>(),
            none["usage"]["prompt_tokens"].get<int>() + 256 + 2);
  const json two = generate({"--image", dark, "--image", light});
  EXPECT_EQ(two["usage"]["image_tokens"], 512);
  EXPECT_EQ(two["usage"]["images_encoded"], 2);
}

TEST_F(ImagesTest, TheBudgetIsAnOption) {
  const std::string file = bmp("a.bmp", 50);
  EXPECT_EQ(generate({"--image", file, "--image-tokens", "70"})["usage"]["image_tokens"], 64);
  EXPECT_EQ(generate({"--image", file, "--image-tokens", "140"})["usage"]["image_tokens"], 121);
  for (const char* flag : {"--image-tokens", "--video-tokens"}) {
    EXPECT_THAT(generate_error({"--image", file, flag, "100"}, 2), HasSubstr(flag));
  }
}

TEST_F(ImagesTest, GenerateTakesVideos) {
  bmp("frames/1.bmp", 10), bmp("frames/2.bmp", 60), bmp("frames/3.bmp", 110);
  const json result = generate({"--video", (folder_ / "frames").string(), "--image",
                                bmp("a.bmp", 90), "--image-tokens", "70"});
  EXPECT_EQ(result["usage"]["images_encoded"], 4);
  EXPECT_EQ(result["usage"]["image_tokens"], 4 * 64);
  const json wide = generate({"--video", (folder_ / "frames").string(), "--video-tokens", "140"});
  EXPECT_EQ(wide["usage"]["image_tokens"], 3 * 121);
}

TEST_F(ImagesTest, ErrorsNameTheFile) {
  const std::string text = write("notes.txt", "no picture");
  EXPECT_THAT(generate_error({"--image", text}), HasSubstr("notes.txt"));
  EXPECT_THAT(generate_error({"--image", "/nowhere.png"}), HasSubstr("/nowhere.png"));
  EXPECT_THAT(generate_error({"--video", "/nowhere"}), HasSubstr("/nowhere"));
  EXPECT_THAT(generate_error({"--image", bmp("a.bmp", 50), "--raw"}, 2), HasSubstr("--raw"));
  for (const char* flag : {"--image", "--video"}) {
    EXPECT_THAT(generate_error({flag, ""}), HasSubstr("path of a picture or video is empty"));
  }
}

TEST_F(ImagesTest, ErrorsNameTheFlag) {
  for (const char* rate : {"0", "-1", "nan"}) {
    EXPECT_THAT(generate_error({"--video-fps", rate}, 2), HasSubstr("--video-fps"));
  }
  EXPECT_THAT(generate_error({"--audio", "speech.wav"}, 2),
              HasSubstr("octavo: error: --audio: sound cannot be heard"));
}

TEST_F(ImagesTest, ABudgetThatNoPictureCanHaveIsFoundOnLoad) {
  const std::filesystem::path folder = folder_ / "odd";
  std::filesystem::create_directory(folder);
  for (const auto& entry : std::filesystem::directory_iterator(SeeingDemo::folder())) {
    std::filesystem::create_symlink(entry.path(), folder / entry.path().filename());
  }
  write("odd/processor_config.json", R"({"image_processor": {"max_soft_tokens": 100}})");
  EXPECT_THAT(generate_error({}, 1, folder),
              HasSubstr("processor_config.json: image_processor.max_soft_tokens is 100"));
}

/// `count` image tokens of the demo model.
std::string image_tokens(int count) {
  const json config = json::parse(std::ifstream(SeeingDemo::folder() / "config.json"));
  const std::string token = std::to_string(config["image_token_id"].get<int>());
  std::string list = "2";
  for (int i = 0; i < count; ++i) list += "," + token;
  return list;
}

TEST_F(ImagesTest, LogitsTakesTheBudgetOfTheCheckpoint) {
  const std::string features = folder_ / "features.safetensors";
  const auto logits = [&](int count, std::vector<std::string> more) {
    std::vector<std::string> arguments = {"logits",
                                          "-m",
                                          SeeingDemo::folder(),
                                          "--tokens",
                                          image_tokens(count),
                                          "--out",
                                          folder_ / "logits.safetensors"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_octavo(arguments);
  };
  const std::string file = bmp("a.bmp", 50), wide = bmp("wide.bmp", 50, 900, 3);
  EXPECT_EQ(logits(256, {"--image", file, "--features-out", features}).status, 0);
  EXPECT_TRUE(std::filesystem::exists(features));
  EXPECT_EQ(logits(64, {"--image", file, "--image-tokens", "70"}).status, 0);
  EXPECT_THAT(logits(64, {"--image", file}).err,
              HasSubstr("a.bmp: 256 soft tokens for a run of 64 image tokens at position 1"));
  EXPECT_THAT(logits(280, {"--image", wide}).err, HasSubstr("wide.bmp: a picture of 840 columns"));
  const Outcome without = logits(0, {"--features-out", features});
  EXPECT_EQ(without.status, 2);
  EXPECT_THAT(without.err, testing::AllOf(HasSubstr("--features-out"), HasSubstr("--image")));
}

TEST_F(ImagesTest, AModelWithoutEyesIsNamed) {
  // A text-only checkpoint: its config knows no vision.
  const std::filesystem::path blind = folder_ / "blind";
  std::filesystem::create_directory(blind);
  for (const auto& entry : std::filesystem::directory_iterator(kDemo)) {
    std::filesystem::create_symlink(entry.path(), blind / entry.path().filename());
  }
  json config = json::parse(std::ifstream(blind / "config.json"));
  config["vision_config"] = nullptr;
  std::filesystem::remove(blind / "config.json");
  std::ofstream(blind / "config.json") << config;
  const std::string file = bmp("a.bmp", 50);
  EXPECT_THAT(generate_error({"--image", file}, 1, blind),
              HasSubstr(blind.string() + ": this model cannot see"));
  const Outcome outcome = run_octavo(command("chat", {}, blind), "/image " + file + "\nHi\n");
  EXPECT_EQ(outcome.status, 0);
  EXPECT_THAT(outcome.err, HasSubstr(blind.string() + ": this model cannot see"));
  EXPECT_NE(outcome.out, "");
}

TEST_F(ImagesTest, ChatAttachesPicturesToTheNextMessage) {
  const std::string first = bmp("first.bmp", 30), second = bmp("with space.bmp", 90, 80, 40);
  const Outcome outcome =
      run_octavo(command("chat", {"--image", first, "--image-tokens", "70"}),
                 "What?\n/stats\nAnd now?\n/stats\n/image \"" + second + "\" \nThis?\n/stats\n");
  EXPECT_EQ(outcome.status, 0);
  EXPECT_THAT(outcome.err, HasSubstr("first.bmp: 60 x 60 pixels, 64 tokens"));
  EXPECT_THAT(outcome.err, HasSubstr("with space.bmp: 80 x 40 pixels, 55 tokens"));
  // The first message's picture stays, and only there.
  const size_t at = outcome.err.find(" 64 of pictures");
  EXPECT_NE(at, std::string::npos);
  EXPECT_NE(outcome.err.find(" 64 of pictures", at + 1), std::string::npos);
  EXPECT_THAT(outcome.err, HasSubstr(" 119 of pictures"));
}

TEST_F(ImagesTest, ChatDropsWhatIsAttached) {
  const std::string file = bmp("a.bmp", 30);
  for (const char* drop : {"/image", "/reset", "/system Be brief."}) {
    const Outcome outcome =
        run_octavo(command("chat", {"--image", file}), std::string(drop) + "\nWhat?\n/stats\n");
    EXPECT_THAT(outcome.err, HasSubstr(" 0 of pictures")) << drop;
  }
}

TEST_F(ImagesTest, ChatTakesVideosAndGoesOnAfterErrors) {
  bmp("frames/1.bmp", 10), bmp("frames/2.bmp", 60);
  const Outcome outcome = run_octavo(
      command("chat", {}), "/image /nowhere.png\n/image \"\"\n/audio speech.wav\n/video\n/video " +
                               (folder_ / "frames").string() + "\nWhat happens?\n/stats\n");
  EXPECT_EQ(outcome.status, 0);
  EXPECT_THAT(outcome.err, HasSubstr("/nowhere.png"));
  EXPECT_THAT(outcome.err, HasSubstr("path of a picture or video is empty"));
  EXPECT_THAT(outcome.err, HasSubstr("/video: expected a folder"));
  EXPECT_THAT(outcome.err, HasSubstr("sound"));
  EXPECT_THAT(outcome.err, HasSubstr("frames: 2 frames, 128 tokens"));
  EXPECT_THAT(outcome.err, HasSubstr(" 128 of pictures"));
}

TEST_F(ImagesTest, ChatKnowsTheHomeFolder) {
  bmp("home.bmp", 30);
  const char* before = std::getenv("HOME");
  const std::string home = before == nullptr ? "" : before;
  setenv("HOME", folder_.path().c_str(), 1);
  const Outcome outcome = run_octavo(command("chat", {}), "/image ~/home.bmp\n");
  before == nullptr ? unsetenv("HOME") : setenv("HOME", home.c_str(), 1);
  EXPECT_THAT(outcome.err, HasSubstr("home.bmp: 60 x 60"));
}

}  // namespace
}  // namespace octavo::cli
