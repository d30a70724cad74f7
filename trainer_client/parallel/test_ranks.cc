#include "trainer_client/parallel/test_ranks.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "ATen/ops/copy.h"
#include "ATen/ops/mul.h"
#include "gtest/gtest.h"
#include "torch/csrc/distributed/c10d/HashStore.hpp"
#include "trainer_client/parallel/local_address.h"

namespace greenplan::trainer {
namespace {

struct DoneWork : c10d::Work {
  DoneWork() { finish(); }
};

class EqualsBackend : public c10d::Backend {
 public:
  using Backend::Backend;
  const std::string getBackendName() const override { return "equals"; }
  c10::intrusive_ptr<c10d::Work> allreduce(std::vector<at::Tensor>& tensors, const c10d::AllreduceOptions&) override {
    for (const at::Tensor& tensor : tensors) tensor.mul_(getSize());
    return c10::make_intrusive<DoneWork>();
  }
  c10::intrusive_ptr<c10d::Work> allgather(std::vector<std::vector<at::Tensor>>& outputs,
                                           std::vector<at::Tensor>& inputs, const c10d::AllgatherOptions&) override {
    for (const at::Tensor& output : outputs[0]) output.copy_(inputs[0]);
    return c10::make_intrusive<DoneWork>();
  }
};

}  // namespace

int FreePort() {
  const int descriptor = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
  socklen_t size = sizeof(address);
  EXPECT_EQ(bind(descriptor, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size), 0);
  close(descriptor);
  return ntohs(address.sin_port);
}

bool HasIpv6() { return LocalAddressTowards("::1").ok(); }

void OnRanks(int world_size, const std::function<void(RankGroup& ranks)>& body, absl::Duration timeout) {
  const int port = FreePort();
  std::vector<std::thread> threads;
  for (int rank = 0; rank < world_size; ++rank) {
    threads.emplace_back([&, rank] {
      absl::StatusOr<std::unique_ptr<RankGroup>> ranks = RankGroup::Join(
          {.world_size = world_size, .rank = rank, .host = "127.0.0.1", .port = port, .timeout = timeout});
      ASSERT_TRUE(ranks.ok()) << ranks.status();
      body(**ranks);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

std::unique_ptr<RankGroup> AmongEquals(int rank, int world_size) {
  return std::make_unique<RankGroup>(c10::make_intrusive<EqualsBackend>(rank, world_size),
                                     c10::make_intrusive<c10d::HashStore>());
}

}  // namespace greenplan::trainer
