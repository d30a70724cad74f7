#ifndef GREENPLAN_TRAINER_CLIENT_CHECKPOINT_SAFETENSORS_H_
#define GREENPLAN_TRAINER_CLIENT_CHECKPOINT_SAFETENSORS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace greenplan::trainer {

// The safetensors format: an 8-byte little-endian length, a JSON header of that length that gives every tensor's dtype,
// shape and data_offsets, then the tensors' bytes, row-major and little-endian, without gaps.

enum class TensorDtype { kFloat32, kFloat16, kBfloat16 };

// Returns the type's name in the format: "F32", "F16" or "BF16".
std::string DtypeName(TensorDtype dtype);
// Returns the bytes of one element.
int64_t DtypeSize(TensorDtype dtype);

// A tensor in the memory of a file or of a parameter, without a copy.
struct TensorView {
  TensorDtype dtype;
  std::vector<int64_t> shape;
  // product(shape) * DtypeSize(dtype) bytes; not aligned.
  absl::Span<const std::byte> data;
};

// A file mapped into memory. Views live as long as the file; thread-safe.
//
//   auto file = SafetensorsFile::Open("model.safetensors");
//   const TensorView& view = (*file)->tensors().at("lm_head.weight");
class SafetensorsFile {
 public:
  // Maps the file and checks everything that its header claims before anything uses it. NotFound if there is no such
  // file. InvalidArgument names the file, the tensor and what is wrong with it.
  static absl::StatusOr<std::unique_ptr<SafetensorsFile>> Open(const std::string& path);
  ~SafetensorsFile();
  SafetensorsFile(const SafetensorsFile&) = delete;
  SafetensorsFile& operator=(const SafetensorsFile&) = delete;

  // Returns all tensors by name.
  const std::map<std::string, TensorView>& tensors() const { return tensors_; }

 private:
  explicit SafetensorsFile(absl::Span<const std::byte> mapping) : mapping_(mapping) {}

  absl::Span<const std::byte> mapping_;
  std::map<std::string, TensorView> tensors_;
};

// Returns the tensors in the bytes of a safetensors file, as views into `file`. InvalidArgument; messages begin with
// `path`.
absl::StatusOr<std::map<std::string, TensorView>> ParseSafetensors(absl::Span<const std::byte> file,
                                                                   const std::string& path);

// Writes the tensors in the order of their names, with the metadata {"format": "pt"} that transformers asks for. The
// file appears whole or not at all. The errors of planner/files/files.h.
absl::Status WriteSafetensors(const std::string& path, const std::map<std::string, TensorView>& tensors);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_CHECKPOINT_SAFETENSORS_H_
