#ifndef GREENPLAN_TESTS_RELIABILITY_HTTP2_FRAMES_H_
#define GREENPLAN_TESTS_RELIABILITY_HTTP2_FRAMES_H_

#include <cstdint>
#include <string>

namespace greenplan {

// The bytes that a gRPC client sends over HTTP/2 (RFC 9113), for clients that no gRPC library would be: slow ones, idle
// ones, broken ones. Thread-safe.
//
//   socket.Send(Http2Preface() + Http2Call("/grpc.health.v1.Health/Check", ""));

enum class FrameType : uint8_t { kData = 0, kHeaders = 1, kSettings = 4, kPing = 6, kWindowUpdate = 8 };

// The flags of frames.
inline constexpr uint8_t kEndStream = 1;
inline constexpr uint8_t kAck = 1;
inline constexpr uint8_t kEndHeaders = 4;

// One frame. Stream 0 is the connection itself.
std::string Http2Frame(FrameType type, uint8_t flags, uint32_t stream, const std::string& payload);

// What a client sends first. The server may send `initial_window` bytes of each answer before it is given more by
// Http2WindowUpdate.
std::string Http2Preface(uint32_t initial_window = 65535);

// Gives the server `bytes` more on a stream. REQUIRES: 0 < bytes < 2^31.
std::string Http2WindowUpdate(uint32_t stream, uint32_t bytes);

// The headers and the message of a call with one message, on stream `stream`, which is odd and higher than those
// before. `method` is "/package.Service/Method". REQUIRES: `message` has at most 16 KiB.
std::string Http2Call(const std::string& method, const std::string& message, uint32_t stream = 1);

}  // namespace greenplan

#endif  // GREENPLAN_TESTS_RELIABILITY_HTTP2_FRAMES_H_
