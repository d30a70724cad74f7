#include "profiler/analytic/fixtures.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace greenplan::profiler {
namespace {

using Json = nlohmann::json;

constexpr char kFolder[] = "profiler/analytic/testdata/";

std::vector<bool> ReadBits(const std::string& hexadecimal, size_t count) {
  const size_t padding = 4 * hexadecimal.size() - count;
  std::vector<bool> bits(count);
  for (size_t i = 0; i < count; ++i) {
    const size_t bit = padding + i;
    const int digit = std::stoi(hexadecimal.substr(bit / 4, 1), nullptr, 16);
    bits[i] = (digit >> (3 - bit % 4)) & 1;
  }
  return bits;
}

}  // namespace

std::vector<std::string> FixtureNames() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(absl::StrCat(kFolder, "models"))) {
    names.push_back(entry.path().stem());
  }
  std::sort(names.begin(), names.end());
  return names;
}

Json LoadTestData(const std::string& name) { return Json::parse(std::ifstream(kFolder + name)); }

Fixture LoadFixture(const std::string& name) {
  const Json file = LoadTestData(absl::StrCat("models/", name, ".json"));
  Fixture fixture;
  fixture.model = file.at("model");
  fixture.config = file.at("config");
  const Json& input = file.at("input");
  fixture.options.batch_size = input.at("batch_size");
  if (input.contains("seq_len")) fixture.options.seq_len = input["seq_len"].get<int64_t>();
  if (input.contains("target_len")) fixture.options.target_len = input["target_len"].get<int64_t>();
  fixture.options.attention = file.at("attention") == "eager" ? Attention::kEager : Attention::kSdpa;
  fixture.options.lora_rank = file.at("lora_rank");
  fixture.forward_flops = file.at("forward_flops");
  fixture.tensor_count = file.at("tensor_count");
  fixture.parameter_count = file.at("parameter_count");
  fixture.parameters_digest = file.at("parameters_digest");
  fixture.parameters = file.value("parameters", std::vector<std::string>());
  for (const Json& mask : file.at("masks")) {
    fixture.masks.push_back({ReadBits(mask.at(0), fixture.tensor_count), mask.at(1), mask.at(2)});
  }
  return fixture;
}

std::string DescribeTensor(const Tensor& tensor) {
  return absl::StrCat(tensor.name, " ", absl::StrJoin(tensor.shape, ","));
}

int64_t ParameterCount(const ModelProfile& profile) {
  int64_t count = 0;
  for (const Tensor& tensor : profile.tensors) {
    int64_t elements = 1;
    for (const int64_t size : tensor.shape) elements *= size;
    count += elements;
  }
  return count;
}

std::string Fnv1a(const std::string& text) {
  uint64_t value = 0xcbf29ce484222325;
  for (const unsigned char byte : text) value = (value ^ byte) * 0x100000001b3;
  return absl::StrFormat("%016x", value);
}

}  // namespace greenplan::profiler
