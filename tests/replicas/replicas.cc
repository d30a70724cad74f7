#include "tests/replicas/replicas.h"

#include <signal.h>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace greenplan {

Replicas::Replicas(const std::string& uri, const std::vector<std::string>& flags) : uri_(uri), flags_(flags) {
  for (int i = 0; i < kNumReplicas; ++i) daemons_[i] = Start(i);
}

std::unique_ptr<ServingDaemon> Replicas::Start(int i) const {
  std::vector<std::string> flags = flags_;
  flags.insert(flags.end(), {"--listen", ports_[i].address()});
  return std::unique_ptr<ServingDaemon>(new ServingDaemon(ServingDaemon::OnStore(uri_, flags)));
}

void Replicas::Restart(int i) {
  daemons_[i]->process().Signal(SIGTERM);
  EXPECT_EQ(daemons_[i]->process().Wait(), 0) << daemons_[i]->process().errors();
  daemons_[i] = Start(i);
}

std::string Replicas::addresses(int i) const {
  return absl::StrCat(address(i % kNumReplicas), ",", address((i + 1) % kNumReplicas), ",",
                      address((i + 2) % kNumReplicas));
}

void Replicas::ExpectCleanShutdown() {
  for (const auto& daemon : daemons_) daemon->process().Signal(SIGTERM);
  for (const auto& daemon : daemons_) EXPECT_EQ(daemon->process().Wait(), 0) << daemon->process().errors();
}

std::unique_ptr<Connection> ConnectTo(const std::string& addresses) {
  auto connection = Connect({.planner = addresses, .timeout = absl::Minutes(2)});
  EXPECT_TRUE(connection.ok()) << connection.status();
  return *std::move(connection);
}

}  // namespace greenplan
