#include "tests/reliability/http2_frames.h"

#include <string_view>

namespace greenplan {
namespace {

// `value` in `count` bytes, the highest first.
std::string BigEndian(uint32_t value, int count) {
  std::string bytes;
  for (int shift = 8 * (count - 1); shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(value >> shift));
  return bytes;
}

// A header as HPACK's "literal without indexing", in plain text. Names and values have fewer than 127 bytes.
std::string Header(std::string_view name, std::string_view value) {
  std::string bytes(1, '\0');
  for (const std::string_view part : {name, value}) {
    bytes.push_back(static_cast<char>(part.size()));
    bytes.append(part);
  }
  return bytes;
}

}  // namespace

std::string Http2Frame(FrameType type, uint8_t flags, uint32_t stream, const std::string& payload) {
  std::string frame = BigEndian(static_cast<uint32_t>(payload.size()), 3);
  frame.push_back(static_cast<char>(type));
  frame.push_back(static_cast<char>(flags));
  return frame + BigEndian(stream, 4) + payload;
}

std::string Http2Preface(uint32_t initial_window) {
  constexpr uint32_t kInitialWindowSize = 4;  // The setting's number.
  return "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" +
         Http2Frame(FrameType::kSettings, 0, /*stream=*/0,
                    BigEndian(kInitialWindowSize, 2) + BigEndian(initial_window, 4));
}

std::string Http2WindowUpdate(uint32_t stream, uint32_t bytes) {
  return Http2Frame(FrameType::kWindowUpdate, 0, stream, BigEndian(bytes, 4));
}

std::string Http2Call(const std::string& method, const std::string& message, uint32_t stream) {
  const std::string headers = Header(":method", "POST") + Header(":scheme", "http") + Header(":path", method) +
                              Header(":authority", "localhost") + Header("te", "trailers") +
                              Header("content-type", "application/grpc");
  const std::string body = std::string(1, '\0') + BigEndian(static_cast<uint32_t>(message.size()), 4) + message;
  return Http2Frame(FrameType::kHeaders, kEndHeaders, stream, headers) +
         Http2Frame(FrameType::kData, kEndStream, stream, body);
}

}  // namespace greenplan
