#include "planner/store/serialized_job.h"

#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/wire_format_lite.h"
#include "greenplan/v1/job.pb.h"

namespace greenplan {

// The fields of a message may come in any order.
std::string JoinJob(absl::string_view without_profile, absl::string_view profile) {
  using google::protobuf::internal::WireFormatLite;
  constexpr uint32_t kTag =
      WireFormatLite::MakeTag(v1::Job::kProfileFieldNumber, WireFormatLite::WIRETYPE_LENGTH_DELIMITED);
  uint8_t head[10];
  uint8_t* end = google::protobuf::io::CodedOutputStream::WriteVarint32ToArray(kTag, head);
  end = google::protobuf::io::CodedOutputStream::WriteVarint32ToArray(static_cast<uint32_t>(profile.size()), end);
  std::string job;
  job.reserve(without_profile.size() + (end - head) + profile.size());
  job.append(without_profile.data(), without_profile.size());
  job.append(reinterpret_cast<const char*>(head), end - head);
  job.append(profile.data(), profile.size());
  return job;
}

}  // namespace greenplan
