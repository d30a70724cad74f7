#include "trainer_client/parallel/rank_group.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <exception>
#include <set>
#include <utility>

#include "ATen/ops/cat.h"
#include "ATen/ops/empty.h"
#include "ATen/ops/zeros.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "torch/csrc/distributed/c10d/ProcessGroupGloo.hpp"
#include "torch/csrc/distributed/c10d/TCPStore.hpp"

namespace greenplan::trainer {
namespace {

// Large enough that a bucket's bandwidth hides its latency, small beside a model.
constexpr int64_t kBucketBytes = int64_t{25} << 20;
// How long ranks that see a failure wait for each other's word that they see it, too.
constexpr absl::Duration kRollCall = absl::Seconds(5);
constexpr absl::Duration kSilentWait = absl::Seconds(5);
constexpr absl::Duration kPoll = absl::Milliseconds(20);

std::string JoinedKey(int rank) { return absl::StrCat("greenplan/joined/", rank); }
std::string FailedKey(int rank) { return absl::StrCat("greenplan/failed/", rank); }

std::string RankList(const std::set<int>& ranks) {
  return absl::StrCat(ranks.size() == 1 ? "rank " : "ranks ", absl::StrJoin(ranks, ", "));
}

absl::Status CheckOptions(const JoinOptions& options) {
  if (options.world_size < 1) {
    return absl::InvalidArgumentError(absl::StrCat("world_size is ", options.world_size, "; allowed: an integer >= 1"));
  }
  if (options.rank < 0 || options.rank >= options.world_size) {
    return absl::InvalidArgumentError(
        absl::StrCat("rank is ", options.rank, "; allowed: an integer from 0 to ", options.world_size - 1));
  }
  if (options.port < 1 || options.port > 65535) {
    return absl::InvalidArgumentError(absl::StrCat("port is ", options.port, "; allowed: an integer from 1 to 65535"));
  }
  return absl::OkStatus();
}

// Waits until all ranks have said that they are there. Returns those that have not at the deadline.
std::set<int> AwaitRanks(c10d::Store& store, const JoinOptions& options, absl::Time deadline) {
  std::set<int> missing;
  for (int rank = 0; rank < options.world_size; ++rank) missing.insert(rank);
  const absl::Time silent_until = absl::Now() + kSilentWait;
  bool is_said = !options.remark;
  while (true) {
    std::erase_if(missing, [&](int rank) { return store.check({JoinedKey(rank)}); });
    if (missing.empty() || absl::Now() >= deadline) return missing;
    if (!is_said && absl::Now() >= silent_until) {
      is_said = true;
      options.remark(absl::StrCat("waiting for ", RankList(missing), " of ", options.world_size));
    }
    absl::SleepFor(kPoll);
  }
}

c10::intrusive_ptr<c10d::Store> OpenStore(const JoinOptions& options) {
  c10d::TCPStoreOptions store;
  store.port = static_cast<uint16_t>(options.port);
  store.isServer = options.rank == 0;
  store.numWorkers = options.world_size;
  store.waitWorkers = false;
  store.timeout = absl::ToChronoMilliseconds(options.timeout);
  return c10::make_intrusive<c10d::TCPStore>(options.host, store);
}

c10::intrusive_ptr<c10d::Backend> OpenGloo(const c10::intrusive_ptr<c10d::Store>& store, const JoinOptions& options) {
  auto gloo = c10d::ProcessGroupGloo::Options::create(absl::ToChronoMilliseconds(options.timeout));
  // The address that reaches rank 0 is one that the others reach, too.
  const bool is_loopback = options.host == "localhost" || options.host == "127.0.0.1" || options.host == "::1";
  gloo->devices.push_back(is_loopback ? c10d::ProcessGroupGloo::createDeviceForHostname("127.0.0.1")
                                      : c10d::ProcessGroupGloo::createDefaultDevice());
  return c10::make_intrusive<c10d::ProcessGroupGloo>(store, options.rank, options.world_size, std::move(gloo));
}

}  // namespace

absl::StatusOr<std::unique_ptr<RankGroup>> RankGroup::Join(const JoinOptions& options) {
  if (absl::Status status = CheckOptions(options); !status.ok()) return status;
  const absl::Time deadline = absl::Now() + options.timeout;
  const std::string place = absl::StrCat(options.host, ":", options.port);
  try {
    const c10::intrusive_ptr<c10d::Store> store = OpenStore(options);
    store->set(JoinedKey(options.rank), "1");
    const std::set<int> missing = AwaitRanks(*store, options, deadline);
    if (!missing.empty()) {
      return absl::UnavailableError(absl::StrCat(RankList(missing), " of ", options.world_size, " did not come to ",
                                                 place, " within ", absl::FormatDuration(options.timeout)));
    }
    return std::make_unique<RankGroup>(OpenGloo(store, options), store);
  } catch (const std::exception& error) {
    return absl::UnavailableError(
        options.rank == 0
            ? absl::StrCat("the ranks cannot meet at ", place, ": ", error.what())
            : absl::StrCat("rank 0 does not answer at ", place, " within ", absl::FormatDuration(options.timeout)));
  }
}

RankGroup::RankGroup(c10::intrusive_ptr<c10d::Backend> backend, c10::intrusive_ptr<c10d::Store> store)
    : backend_(std::move(backend)), store_(std::move(store)) {}

absl::Status RankGroup::Lost(const std::string& reason) {
  std::set<int> lost;
  for (int other = 0; other < world_size(); ++other) {
    if (other != rank()) lost.insert(other);
  }
  try {
    store_->set(FailedKey(rank()), "1");
    const absl::Time deadline = absl::Now() + kRollCall;
    while (!lost.empty() && absl::Now() < deadline) {
      std::erase_if(lost, [&](int other) { return store_->check({FailedKey(other)}); });
      absl::SleepFor(kPoll);
    }
  } catch (const std::exception&) {
    // The store is rank 0's. It may also have ended after it gave its word.
    if (lost.contains(0)) lost = {0};
  }
  if (lost.empty()) return absl::UnavailableError(absl::StrCat("the ranks lost touch with each other: ", reason));
  return absl::UnavailableError(absl::StrCat(RankList(lost), " of ", world_size(),
                                             lost.size() == 1 ? " is lost: it has" : " are lost: they have",
                                             " ended or cannot be reached"));
}

template <typename Function>
absl::Status RankGroup::Collective(const Function& run) {
  try {
    run();
    return absl::OkStatus();
  } catch (const std::exception& error) {
    return Lost(error.what());
  }
}

absl::Status RankGroup::Average(const std::vector<at::Tensor>& tensors) {
  return Collective([&] {
    for (size_t begin = 0; begin < tensors.size();) {
      std::vector<at::Tensor> flat;
      int64_t bytes = 0;
      size_t end = begin;
      for (; end < tensors.size() && tensors[end].scalar_type() == tensors[begin].scalar_type() &&
             (end == begin || bytes + static_cast<int64_t>(tensors[end].nbytes()) <= kBucketBytes);
           ++end) {
        bytes += static_cast<int64_t>(tensors[end].nbytes());
        flat.push_back(tensors[end].detach().reshape({-1}));
      }
      std::vector<at::Tensor> bucket = {at::cat(flat)};
      backend_->allreduce(bucket)->wait();
      bucket[0].div_(world_size());
      int64_t offset = 0;
      for (size_t i = begin; i < end; ++i) {
        const int64_t count = tensors[i].numel();
        tensors[i].detach().copy_(bucket[0].narrow(0, offset, count).view(tensors[i].sizes()));
        offset += count;
      }
      averaged_bytes_ += bytes;
      begin = end;
    }
  });
}

absl::StatusOr<double> RankGroup::Mean(double value) {
  std::vector<at::Tensor> sum = {at::empty({1}, at::kDouble).fill_(value)};
  const absl::Status status = Collective([&] { backend_->allreduce(sum)->wait(); });
  if (!status.ok()) return status;
  return sum[0].item<double>() / world_size();
}

absl::StatusOr<std::vector<std::string>> RankGroup::Gather(const std::string& value) {
  std::vector<std::string> values;
  const absl::Status status = Collective([&] {
    const auto gather = [&](const at::Tensor& own) {
      std::vector<at::Tensor> input = {own};
      std::vector<std::vector<at::Tensor>> output(1);
      for (int i = 0; i < world_size(); ++i) output[0].push_back(at::empty_like(own));
      backend_->allgather(output, input)->wait();
      return output[0];
    };
    const std::vector<at::Tensor> sizes = gather(at::empty({1}, at::kLong).fill_(static_cast<int64_t>(value.size())));
    int64_t longest = 1;
    for (const at::Tensor& size : sizes) longest = std::max(longest, size.item<int64_t>());
    at::Tensor bytes = at::zeros({longest}, at::kByte);
    std::memcpy(bytes.data_ptr(), value.data(), value.size());
    const std::vector<at::Tensor> all = gather(bytes);
    for (int i = 0; i < world_size(); ++i) {
      values.emplace_back(static_cast<const char*>(all[i].const_data_ptr()),
                          static_cast<size_t>(sizes[i].item<int64_t>()));
    }
  });
  if (!status.ok()) return status;
  return values;
}

absl::StatusOr<std::string> RankGroup::Broadcast(const std::string& value) {
  absl::StatusOr<std::vector<std::string>> values = Gather(rank() == 0 ? value : "");
  if (!values.ok()) return values.status();
  return std::move((*values)[0]);
}

}  // namespace greenplan::trainer
