// Trains a SentencePiece tokenizer on a text file, one sentence a line.
#include <cstdio>
#include <sstream>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "planner/files/files.h"
#include "planner/flags/program.h"
#include "trainer_client/data/sentencepiece_model.h"

namespace greenplan::trainer {
namespace {

absl::Status TrainTokenizer(const std::string& input, const std::string& output, int vocab_size) {
  absl::StatusOr<std::string> text = ReadFile(input);
  if (!text.ok()) return text.status();
  std::vector<std::string> lines;
  std::istringstream stream(*text);
  for (std::string line; std::getline(stream, line);) {
    if (!line.empty()) lines.push_back(line);
  }
  if (lines.empty()) return absl::InvalidArgumentError(input + ": is empty; text is needed");
  std::string model;
  if (const std::string error = TrainSentencePieceModel(lines, vocab_size, &model); !error.empty()) {
    return absl::InvalidArgumentError(input + ": no vocabulary of " + std::to_string(vocab_size) +
                                      " pieces can be learned from it: " + error);
  }
  return WriteFile(output, model);
}

}  // namespace
}  // namespace greenplan::trainer

int main(int argc, char** argv) {
  CLI::App app("Trains a SentencePiece tokenizer (byte-pair encoding with BOS, EOS and byte fallback) on a text file.");
  app.footer("Example: train_tokenizer --input corpus.txt --output tokenizer.model --vocab-size 4000");
  std::string input, output;
  int vocab_size = 4000;
  app.add_option("--input", input, "Text, one sentence a line")->required();
  app.add_option("--output", output, "The model to write")->required();
  app.add_option("--vocab-size", vocab_size, "Number of pieces, 259 for unknown, BOS, EOS and the bytes included")
      ->check(CLI::Range(260, 1'000'000))
      ->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    std::fprintf(stderr, "train_tokenizer: %s\n", error.what());
    return 2;
  }
  const absl::Status status = greenplan::trainer::TrainTokenizer(input, output, vocab_size);
  if (status.ok()) return 0;
  std::fprintf(stderr, "train_tokenizer: %s\n", std::string(status.message()).c_str());
  return greenplan::ExitCode(status);
}
