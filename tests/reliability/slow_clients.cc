#include "tests/reliability/slow_clients.h"

#include <utility>

#include "absl/time/clock.h"
#include "tests/reliability/http2_frames.h"

namespace greenplan {
namespace {

// The clients have their turns in so many groups, so that they neither all send at once nor wake the thread one by one.
constexpr size_t kNumGroups = 20;

// The status of a call, as the first answer on a connection of gRPC holds it: HPACK, without Huffman's code.
constexpr char kStatus[] = "grpc-status\x01";

}  // namespace

SlowClients::SlowClients(const Options& options) : options_(options) {
  for (int i = 0; i < options.count; ++i) {
    clients_.push_back(i % 2 == 0 ? NewSender(options) : NewReader(options));
  }
  thread_ = std::thread([this] { Run(); });
}

SlowClients::~SlowClients() {
  is_ending_ = true;
  thread_.join();
}

SlowClients::Client SlowClients::NewSender(const Options& options) {
  return {RawConnection(options.address), Http2Preface() + Http2Call(options.method, options.request), false};
}

SlowClients::Client SlowClients::NewReader(const Options& options) {
  RawConnection connection(options.address);
  connection.Send(Http2Preface(/*initial_window=*/0) + Http2Call(options.method, options.request));
  return {std::move(connection), "", true};
}

void SlowClients::Run() {
  for (size_t group = 0; !is_ending_; group = (group + 1) % kNumGroups) {
    for (size_t i = group; i < clients_.size(); i += kNumGroups) Step(clients_[i]);
    absl::SleepFor(options_.pause_per_byte / kNumGroups);
  }
}

void SlowClients::Step(Client& client) {
  if (client.is_reader) {
    client.connection.Send(Http2WindowUpdate(/*stream=*/1, /*bytes=*/1));
  } else if (client.num_sent < client.slow_bytes.size()) {
    client.num_sent += client.connection.Send(client.slow_bytes.substr(client.num_sent, 1));
  }
  client.answer += client.connection.Receive();
  const bool has_answer = client.answer.find(kStatus) != std::string::npos;
  if (!has_answer && !client.connection.is_closed()) return;
  if (has_answer) {
    ++(client.answer.find(std::string(kStatus) + "0") != std::string::npos ? num_answered_ : num_failed_);
  } else {
    ++num_closed_;
  }
  client = client.is_reader ? NewReader(options_) : NewSender(options_);
}

}  // namespace greenplan
