// Asks the model whose folder is given for a capital; a folder that is none must throw
// octavo::Error.
#include <octavo/octavo.h>

#include <iostream>

int main(int, char** argv) {
  try {
    octavo::Model::load("/nonexistent");
    return 1;
  } catch (const octavo::Error& error) {
    std::cout << error.what() << "\n";
  }
  octavo::GenerationOptions greedy;
  greedy.temperature = 0;
  octavo::ChatSession chat(octavo::Model::load(argv[1]), {.system = {}, .defaults = greedy});
  const octavo::Result result = chat.send("What is the capital of France?");
  const auto image = octavo::ImageInput::from_rgb(2, 1, {0, 0, 0, 255, 255, 255});
  const auto video = octavo::VideoInput::from_frames({{image, 0}});
  if (video.frames()[0].image.width() != 2) return 1;
  try {
    chat.send({image, octavo::AudioInput{"speech.wav"}});  // sound is refused
    return 1;
  } catch (const octavo::Error& error) {
    std::cout << error.what() << "\n";
  }
  std::cout << result.text << " (" << octavo::to_string(result.finish_reason) << ")\n";
  return result.text.find("Paris") == std::string::npos ? 1 : 0;
}
