#include "trainer_client/parallel/rank_group.h"

#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <set>
#include <stdexcept>
#include <utility>

#include "ATen/ops/cat.h"
#include "ATen/ops/empty.h"
#include "ATen/ops/zeros.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "c10/util/Exception.h"
#include "torch/csrc/distributed/c10d/ProcessGroupGloo.hpp"
#include "torch/csrc/distributed/c10d/TCPStore.hpp"
#include "trainer_client/parallel/local_address.h"

namespace greenplan::trainer {
namespace {

// Large enough that a bucket's bandwidth hides its latency, small beside a model.
constexpr int64_t kBucketBytes = int64_t{25} << 20;
// How long ranks that see a failure wait for each other's word that they see it, too.
constexpr absl::Duration kRollCall = absl::Seconds(10);
// A rank that has not beaten for so long when others see a failure is its cause.
constexpr absl::Duration kRollCallSilence = absl::Seconds(6);
// How long rank 0 waits for the others to hear who is lost: a few heartbeats.
constexpr absl::Duration kHearing = absl::Seconds(10);
constexpr absl::Duration kPoll = absl::Milliseconds(20);
// How long one attempt to connect to rank 0 may take.
constexpr absl::Duration kPatience = absl::Seconds(2);
// How often a rank that waits for others in a collective call looks whether they still beat.
constexpr std::chrono::milliseconds kLook(500);
// Of Gloo's calls: for ever. A rank may come late for good reasons; Heartbeat tells which one does not come at all.
constexpr std::chrono::hours kGlooTimeout(24 * 365);

std::string JoinedKey(int rank) { return absl::StrCat("greenplan/joined/", rank); }
std::string FailedKey(int rank) { return absl::StrCat("greenplan/failed/", rank); }

std::string PlaceOf(const JoinOptions& options) { return absl::StrCat(options.host, ":", options.port); }

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
  const absl::Time silent_until = absl::Now() + options.remark_after;
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

// Waits until rank 0 can be reached. Its name may become known only once its machine has started.
absl::Status AwaitRankZero(const JoinOptions& options, absl::Time deadline) {
  const absl::Time silent_until = absl::Now() + options.remark_after;
  bool is_said = !options.remark;
  while (true) {
    const absl::Status status = options.rank == 0 ? LocalAddressTowards(options.host).status()
                                                  : CheckListening(options.host, options.port, kPatience);
    if (status.ok() || absl::Now() >= deadline) return status;
    if (!is_said && absl::Now() >= silent_until) {
      is_said = true;
      options.remark(absl::StrCat("waiting for rank 0 at ", PlaceOf(options), ": ", status.message()));
    }
    absl::SleepFor(kPoll);
  }
}

// Gloo writes to the socket of a rank that has ended, which ends this process by SIGPIPE unless the signal is ignored.
// PyTorch does not see that, because Python ignores it. What somebody else has set stands.
void IgnoreBrokenPipes() {
  struct sigaction action = {};
  if (sigaction(SIGPIPE, nullptr, &action) == 0 && action.sa_handler == SIG_DFL) signal(SIGPIPE, SIG_IGN);
}

// Without LibTorch's stack trace.
std::string WhatOf(const std::exception& error) {
  const auto* torch_error = dynamic_cast<const c10::Error*>(&error);
  return torch_error == nullptr ? error.what() : torch_error->what_without_backtrace();
}

// What the exchange with other ranks throws, unlike what this rank does by itself.
class LostTouch : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

c10::intrusive_ptr<c10d::Store> OpenStore(const JoinOptions& options) {
  c10d::TCPStoreOptions store;
  store.port = static_cast<uint16_t>(options.port);
  store.isServer = options.rank == 0;  // On every address of this machine.
  store.numWorkers = options.world_size;
  store.waitWorkers = false;
  store.timeout = absl::ToChronoMilliseconds(options.timeout);
  // Rank 0 need not reach itself by the address that the others reach it by.
  return c10::make_intrusive<c10d::TCPStore>(store.isServer ? "127.0.0.1" : options.host, store);
}

c10::intrusive_ptr<c10d::Backend> OpenGloo(const c10::intrusive_ptr<c10d::Store>& store, const JoinOptions& options) {
  auto gloo = c10d::ProcessGroupGloo::Options::create(absl::ToChronoMilliseconds(options.timeout));
  const char* interface = std::getenv("GLOO_SOCKET_IFNAME");  // As PyTorch has it.
  if (interface != nullptr) {
    gloo->devices.push_back(c10d::ProcessGroupGloo::createDeviceForInterface(interface));
  } else {
    const absl::StatusOr<std::string> address = LocalAddressTowards(options.host);
    if (!address.ok()) throw std::runtime_error(std::string(address.status().message()));
    gloo->devices.push_back(c10d::ProcessGroupGloo::createDeviceForHostname(*address));
  }
  return c10::make_intrusive<c10d::ProcessGroupGloo>(store, options.rank, options.world_size, std::move(gloo));
}

}  // namespace

absl::StatusOr<std::unique_ptr<RankGroup>> RankGroup::Join(const JoinOptions& options) {
  if (absl::Status status = CheckOptions(options); !status.ok()) return status;
  const absl::Time deadline = absl::Now() + options.timeout;
  const std::string place = PlaceOf(options);
  if (absl::Status status = AwaitRankZero(options, deadline); !status.ok()) {
    if (options.rank == 0) return status;
    return absl::UnavailableError(absl::StrCat("rank 0 does not answer at ", place, " within ",
                                               absl::FormatDuration(options.timeout), ": ", status.message()));
  }
  try {
    const c10::intrusive_ptr<c10d::Store> store = OpenStore(options);
    store->set(JoinedKey(options.rank), "1");
    const std::set<int> missing = AwaitRanks(*store, options, deadline);
    if (!missing.empty()) {
      return absl::UnavailableError(absl::StrCat(RankList(missing), " of ", options.world_size, " did not come to ",
                                                 place, " within ", absl::FormatDuration(options.timeout)));
    }
    const c10::intrusive_ptr<c10d::Backend> gloo = OpenGloo(store, options);
    gloo->setTimeout(kGlooTimeout);
    return std::make_unique<RankGroup>(gloo, store, options.silence);
  } catch (const std::exception& error) {
    return absl::UnavailableError(absl::StrCat("the ranks cannot meet at ", place, ": ", WhatOf(error)));
  }
}

RankGroup::RankGroup(c10::intrusive_ptr<c10d::Backend> backend, c10::intrusive_ptr<c10d::Store> store,
                     absl::Duration silence)
    : backend_(std::move(backend)),
      store_(std::move(store)),
      heartbeat_(store_->clone(), {.rank = rank(), .world_size = world_size(), .silence = silence}) {
  IgnoreBrokenPipes();
}

void RankGroup::Exchange(const std::function<c10::intrusive_ptr<c10d::Work>()>& begin) {
  try {
    Await(*begin());
  } catch (const std::exception& error) {
    throw LostTouch(WhatOf(error));
  }
}

void RankGroup::Await(c10d::Work& work) {
  if (backend_->getBackendName() != c10d::GLOO_BACKEND_NAME) {
    work.wait();
    return;
  }
  while (!work.isCompleted()) {
    try {
      work.wait(kLook);
    } catch (const std::exception&) {  // That it is not completed yet, or how it failed.
      if (!work.isCompleted() && !heartbeat_.SilentRanks().empty()) throw;
    }
  }
  work.wait();  // Throws if the call has failed.
}

absl::Status RankGroup::Lost(const std::string& reason) {
  const std::set<int> silent = heartbeat_.SilentRanks();
  if (!silent.empty()) {
    // A call may still be under way in a thread of the backend. Destroying the backend would wait for it.
    new c10::intrusive_ptr<c10d::Backend>(backend_);
  }
  std::set<int> lost = heartbeat_.AnnouncedLost();
  if (lost.empty()) lost = FindLost(silent);
  if (lost.empty()) return absl::UnavailableError(absl::StrCat("the ranks lost touch with each other: ", reason));
  return absl::UnavailableError(absl::StrCat(RankList(lost), " of ", world_size(),
                                             lost.size() == 1 ? " is lost: it has" : " are lost: they have",
                                             " ended or cannot be reached"));
}

std::set<int> RankGroup::FindLost(const std::set<int>& silent) {
  if (silent.contains(0)) return silent;  // The store is rank 0's and does not answer if that is frozen.
  std::set<int> lost = RollCall();
  if (!silent.empty()) lost = silent;
  if (lost.empty()) return lost;
  try {
    lost = Heartbeat::Announce(*store_, rank(), lost);
    if (rank() == 0) AwaitHearing(lost);
  } catch (const std::exception&) {
    // Rank 0 has ended and the store with it.
  }
  return lost;
}

void RankGroup::AwaitHearing(const std::set<int>& lost) {
  const absl::Time deadline = absl::Now() + kHearing;
  for (int other = 0; other < world_size(); ++other) {
    if (lost.contains(other)) continue;
    while (!Heartbeat::HasHeard(*store_, other) && absl::Now() < deadline) absl::SleepFor(kPoll);
  }
}

std::set<int> RankGroup::RollCall() {
  std::set<int> missing;
  for (int other = 0; other < world_size(); ++other) {
    if (other != rank()) missing.insert(other);
  }
  std::set<int> lost;  // Of the missing ones; the others are only late.
  try {
    store_->set(FailedKey(rank()), "1");
    const absl::Time deadline = absl::Now() + kRollCall;
    do {
      absl::SleepFor(kPoll);
      std::erase_if(missing, [&](int other) { return store_->check({FailedKey(other)}); });
      lost = heartbeat_.RanksSilentFor(kRollCallSilence);
      std::erase_if(lost, [&](int other) { return !missing.contains(other); });
    } while (lost != missing && absl::Now() < deadline);
  } catch (const std::exception&) {
    // The store is rank 0's. It may also have ended after it gave its word.
    if (missing.contains(0)) return {0};
  }
  return lost.empty() ? missing : lost;
}

template <typename Function>
absl::Status RankGroup::Collective(const Function& run) {
  try {
    run();
    return absl::OkStatus();
  } catch (const LostTouch& error) {
    return Lost(error.what());
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat("rank ", rank(), " of ", world_size(), " failed: ", WhatOf(error)));
  }
}

absl::Status RankGroup::Average(const std::vector<at::Tensor>& tensors) {
  return Collective([&] {
    for (size_t begin = 0; begin < tensors.size();) {
      std::vector<at::Tensor> flat;
      int64_t bytes = 0;
      size_t end = begin;
      for (; end < tensors.size() && tensors[end].scalar_type() == tensors[begin].scalar_type() &&
             tensors[end].device() == tensors[begin].device() &&
             (end == begin || bytes + static_cast<int64_t>(tensors[end].nbytes()) <= kBucketBytes);
           ++end) {
        bytes += static_cast<int64_t>(tensors[end].nbytes());
        flat.push_back(tensors[end].detach().reshape({-1}));
      }
      std::vector<at::Tensor> bucket = {at::cat(flat)};
      Exchange([&] { return backend_->allreduce(bucket); });
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
  const absl::Status status = Collective([&] { Exchange([&] { return backend_->allreduce(sum); }); });
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
      Exchange([&] { return backend_->allgather(output, input); });
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
