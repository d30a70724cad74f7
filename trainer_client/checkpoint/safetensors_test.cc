#include "trainer_client/checkpoint/safetensors.h"

#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "planner/files/testing/faults.h"

namespace greenplan::trainer {
namespace {

absl::Span<const std::byte> Bytes(const std::string& text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

std::string WithHeader(const std::string& header, const std::string& data) {
  std::string file(8, '\0');
  for (int i = 0; i < 8; ++i) file[i] = static_cast<char>(header.size() >> (8 * i) & 0xff);
  return file + header + data;
}

absl::Status Parse(const std::string& file) { return ParseSafetensors(Bytes(file), "f").status(); }

TEST(ParseSafetensorsTest, ReadsDtypesShapesAndData) {
  const std::string header = R"({"__metadata__":{"format":"pt"},)"
                             R"("b":{"dtype":"F32","shape":[2],"data_offsets":[2,10]},)"
                             R"("a":{"dtype":"BF16","shape":[1,1],"data_offsets":[0,2]},)"
                             R"("empty":{"dtype":"F16","shape":[0,7],"data_offsets":[10,10]},)"
                             R"("scalar":{"dtype":"F16","shape":[],"data_offsets":[10,12]}})";
  const std::string file = WithHeader(header, "0123456789xy");
  const auto tensors = ParseSafetensors(Bytes(file), "f");
  ASSERT_TRUE(tensors.ok()) << tensors.status();
  ASSERT_EQ(tensors->size(), 4);
  EXPECT_EQ(tensors->at("a").dtype, TensorDtype::kBfloat16);
  EXPECT_EQ(tensors->at("b").shape, std::vector<int64_t>{2});
  EXPECT_EQ(std::memcmp(tensors->at("b").data.data(), "23456789", 8), 0);
  EXPECT_EQ(tensors->at("empty").data.size(), 0);
  EXPECT_EQ(tensors->at("scalar").data.size(), 2);
}

struct Malformed {
  std::string name;
  std::string file;
  std::string message;
};

class MalformedTest : public testing::TestWithParam<Malformed> {};

TEST_P(MalformedTest, IsRefusedByName) {
  const absl::Status status = Parse(GetParam().file);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "f: " + GetParam().message);
}

std::string OneTensor(const std::string& fields, const std::string& data = "01234567") {
  return WithHeader(R"({"t":{)" + fields + "}}", data);
}

INSTANTIATE_TEST_SUITE_P(
    Files, MalformedTest,
    testing::Values(
        Malformed{"Empty", "", "holds 0 bytes; a header's length takes 8"},
        Malformed{"HeaderBeyondTheFile", std::string("\x03\0\0\0\0\0\0\0{}", 10),
                  "header length is 3; allowed up to 100000000 and what the file holds, 2. The file is cut off, or no "
                  "safetensors file"},
        Malformed{"HugeHeader", std::string(8, '\xff') + "{}",
                  "header length is 18446744073709551615; allowed up to 100000000 and what the file holds, 2. The file "
                  "is cut off, or no "
                  "safetensors file"},
        Malformed{"LfsPointer", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
                  "is a pointer of Git LFS, not the tensors; fetch them with git lfs pull"},
        Malformed{"NoJson", WithHeader("{nonsense", ""), "header is not a JSON object"},
        Malformed{"List", WithHeader("[]", ""), "header is not a JSON object"},
        Malformed{"NotUtf8", WithHeader("{\"\xff\":1}", ""), "header is not a JSON object"},
        Malformed{"DuplicateTensor",
                  WithHeader(R"({"t":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                             R"("t":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
                             "01234567"),
                  "header has the key t twice"},
        Malformed{"DuplicateField", OneTensor(R"("dtype":"F32","shape":[2],"shape":[1],"data_offsets":[0,8])"),
                  "header has the key shape twice"},
        Malformed{"TensorNoObject", WithHeader(R"({"t":3})", ""), "tensor t: is not an object"},
        Malformed{"NoDtype", OneTensor(R"("shape":[2],"data_offsets":[0,8])"),
                  "tensor t: dtype is missing; allowed: F32, F16, BF16"},
        Malformed{"OtherDtype", OneTensor(R"("dtype":"I64","shape":[1],"data_offsets":[0,8])"),
                  "tensor t: dtype is \"I64\"; allowed: F32, F16, BF16"},
        Malformed{"NegativeExtent", OneTensor(R"("dtype":"F32","shape":[-2],"data_offsets":[0,8])"),
                  "tensor t: shape is not a list of integers from 0 on"},
        Malformed{"FractionalExtent", OneTensor(R"("dtype":"F32","shape":[2.0],"data_offsets":[0,8])"),
                  "tensor t: shape is not a list of integers from 0 on"},
        Malformed{"OverflowingShape",
                  OneTensor(R"("dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,8])"),
                  "tensor t: shape [4611686018427387904,4] is too large"},
        Malformed{"HugeExtent", OneTensor(R"("dtype":"F32","shape":[0,18446744073709551615],"data_offsets":[0,0])"),
                  "tensor t: shape [0,18446744073709551615] is too large"},
        Malformed{"OffsetsOutside", OneTensor(R"("dtype":"F32","shape":[3],"data_offsets":[0,12])"),
                  "tensor t: data_offsets are [0,12]; allowed: [begin, end] within the 8 bytes of data"},
        Malformed{"OffsetsReversed", OneTensor(R"("dtype":"F32","shape":[2],"data_offsets":[8,0])"),
                  "tensor t: data_offsets are [8,0]; allowed: [begin, end] within the 8 bytes of data"},
        Malformed{"ThreeOffsets", OneTensor(R"("dtype":"F32","shape":[2],"data_offsets":[0,4,8])"),
                  "tensor t: data_offsets are [0,4,8]; allowed: [begin, end] within the 8 bytes of data"},
        Malformed{"ShapeAndOffsetsDisagree", OneTensor(R"("dtype":"F16","shape":[2],"data_offsets":[0,8])"),
                  "tensor t: shape and dtype take 4 bytes, data_offsets span 8"},
        Malformed{"Overlap",
                  WithHeader(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                             R"("b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
                             "01234567"),
                  "tensor b: data begins at 4, but the tensor before it ends at 8"},
        Malformed{"Gap",
                  WithHeader(R"({"a":{"dtype":"F16","shape":[1],"data_offsets":[0,2]},)"
                             R"("b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
                             "01234567"),
                  "tensor b: data begins at 4, but the tensor before it ends at 2"},
        Malformed{"TrailingBytes", OneTensor(R"("dtype":"F32","shape":[1],"data_offsets":[0,4])"),
                  "tensors end at 4, the data at 8"},
        Malformed{"LineBreakInAName", WithHeader("{\"a\\nb\":1}", ""), "tensor a\\nb: is not an object"}),
    [](const auto& info) { return info.param.name; });

// Whatever happens to a file's bytes, it is refused or every view lies inside it. Deterministic.
TEST(ParseSafetensorsTest, NeverTrustsSpoiltBytes) {
  const std::string good = WithHeader(R"({"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},)"
                                      R"("b":{"dtype":"BF16","shape":[4],"data_offsets":[8,16]}})",
                                      "0123456789abcdef");
  std::mt19937 random(7);
  const std::string alphabet = "0123456789[]{}\",:-.eFBI\\ \n\xff";
  int refused = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string file = good;
    const int changes = 1 + random() % 3;
    for (int i = 0; i < changes && !file.empty(); ++i) {
      const size_t at = random() % file.size();
      switch (random() % 4) {
        case 0:
          file[at] = alphabet[random() % alphabet.size()];
          break;
        case 1:
          file[at] = static_cast<char>(random());
          break;
        case 2:
          file.erase(at, 1 + random() % 8);
          break;
        case 3:
          file.insert(at, 1, alphabet[random() % alphabet.size()]);
          break;
      }
    }
    // On the heap with its exact size, so that a sanitizer sees every byte read outside.
    const std::vector<std::byte> bytes(Bytes(file).begin(), Bytes(file).end());
    const auto tensors = ParseSafetensors(bytes, "f");
    if (!tensors.ok()) {
      ++refused;
      EXPECT_EQ(tensors.status().code(), absl::StatusCode::kInvalidArgument);
      EXPECT_EQ(tensors.status().message().find('\n'), absl::string_view::npos) << tensors.status();
      continue;
    }
    for (const auto& [name, view] : *tensors) {
      int64_t size = DtypeSize(view.dtype);
      for (const int64_t extent : view.shape) size *= extent;
      ASSERT_EQ(view.data.size(), size) << "round " << round;
      ASSERT_TRUE(view.data.empty() || (view.data.data() >= bytes.data() &&
                                        view.data.data() + view.data.size() <= bytes.data() + bytes.size()))
          << "round " << round;
    }
  }
  EXPECT_GT(refused, 15000);
}

TEST(WriteSafetensorsTest, WritesWhatOpenReads) {
  const std::string path = testing::TempDir() + "/written.safetensors";
  const std::string data = "0123456789ab";
  const std::map<std::string, TensorView> tensors = {
      {"z", {TensorDtype::kFloat32, {2, 1}, Bytes(data).subspan(0, 8)}},
      {"a", {TensorDtype::kFloat16, {2}, Bytes(data).subspan(8, 4)}},
  };
  ASSERT_TRUE(WriteSafetensors(path, tensors).ok());
  const auto file = SafetensorsFile::Open(path);
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_EQ((*file)->tensors().size(), 2);
  for (const auto& [name, view] : (*file)->tensors()) {
    EXPECT_EQ(view.dtype, tensors.at(name).dtype);
    EXPECT_EQ(view.shape, tensors.at(name).shape);
    EXPECT_EQ(view.data, tensors.at(name).data);
  }
  std::ifstream stream(path, std::ios::binary);
  uint64_t length = 0;
  stream.read(reinterpret_cast<char*>(&length), 8);
  EXPECT_EQ(length % 8, 0) << "the data must begin aligned";
  std::string header(length, ' ');
  stream.read(header.data(), static_cast<std::streamsize>(length));
  EXPECT_EQ(nlohmann::json::parse(header)["__metadata__"]["format"], "pt");
}

TEST(WriteSafetensorsTest, WhateverCallFailsTheOldFileStands) {
  const std::string folder = testing::TempDir() + "/safetensors_faults";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  const std::string path = folder + "/model.safetensors";
  const auto write = [&](const std::string& data) {
    return WriteSafetensors(path, {{"a", {TensorDtype::kFloat32, {1}, Bytes(data).subspan(0, 4)}},
                                   {"b", {TensorDtype::kFloat32, {1}, Bytes(data).subspan(4, 4)}}});
  };
  ASSERT_TRUE(write("old data").ok());
  const int num_errors = SweepFaults({
      .operation = [&] { return write("new data"); },
      .check =
          [&](const absl::Status& status) {
            const auto file = SafetensorsFile::Open(path);
            ASSERT_TRUE(file.ok()) << file.status();
            const std::string expected = status.ok() || absl::IsDataLoss(status) ? "new data" : "old data";
            EXPECT_EQ((*file)->tensors().at("b").data, Bytes(expected).subspan(4, 4));
            EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder), {}), 1) << status;
            ASSERT_TRUE(write("old data").ok());
          },
      .named = path,
  });
  EXPECT_GT(num_errors, 0);
}

TEST(OpenTest, NamesTheFileThatIsNotThere) {
  const absl::Status status = SafetensorsFile::Open("/no/such.safetensors").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(status.message(), "/no/such.safetensors: No such file or directory");
  EXPECT_EQ(SafetensorsFile::Open(testing::TempDir()).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace greenplan::trainer
