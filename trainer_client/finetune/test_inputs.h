#ifndef GREENPLAN_TRAINER_CLIENT_FINETUNE_TEST_INPUTS_H_
#define GREENPLAN_TRAINER_CLIENT_FINETUNE_TEST_INPUTS_H_

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

#include "nlohmann/json.hpp"

namespace greenplan::trainer {

// Small models and data for tests.

inline const nlohmann::json kLlama = {{"model_type", "llama"},
                                      {"hidden_size", 16},
                                      {"intermediate_size", 32},
                                      {"num_hidden_layers", 2},
                                      {"num_attention_heads", 4},
                                      {"num_key_value_heads", 2},
                                      {"vocab_size", 32},
                                      {"max_position_embeddings", 16},
                                      {"tie_word_embeddings", false}};
inline const nlohmann::json kOpt = {{"model_type", "opt"},           {"hidden_size", 16},         {"ffn_dim", 32},
                                    {"num_hidden_layers", 2},        {"num_attention_heads", 4},  {"vocab_size", 32},
                                    {"max_position_embeddings", 16}, {"word_embed_proj_dim", 16}, {"dropout", 0.1}};

// Writes a file.
inline void WriteText(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

// Token ids as numpy.save writes them: mostly each id's successor, so that there is something to learn.
inline void WriteTokens(const std::filesystem::path& path, int count, int vocabulary) {
  std::string header = "{'descr': '<i4', 'fortran_order': False, 'shape': (" + std::to_string(count) + ",), }";
  header.resize((header.size() + 10 + 1 + 63) / 64 * 64 - 11, ' ');
  header += '\n';
  const uint16_t length = static_cast<uint16_t>(header.size());
  std::string file("\x93NUMPY\x01\x00", 8);
  file.append(reinterpret_cast<const char*>(&length), 2).append(header);
  int32_t id = 1;
  uint32_t noise = 12345;
  for (int i = 0; i < count; ++i) {
    noise = noise * 1664525 + 1013904223;
    id = (noise >> 28) == 0 ? static_cast<int32_t>((noise >> 8) % vocabulary) : (id + 1) % vocabulary;
    file.append(reinterpret_cast<const char*>(&id), 4);
  }
  WriteText(path, file);
}

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_FINETUNE_TEST_INPUTS_H_
