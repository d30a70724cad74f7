#ifndef GREENPLAN_TRAINER_CLIENT_PARALLEL_RANK_GROUP_H_
#define GREENPLAN_TRAINER_CLIENT_PARALLEL_RANK_GROUP_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "torch/csrc/distributed/c10d/Backend.hpp"
#include "torch/csrc/distributed/c10d/Store.hpp"
#include "trainer_client/parallel/heartbeat.h"

namespace greenplan::trainer {

// Which rank this is, and where the ranks meet.
struct JoinOptions {
  // The number of ranks, >= 1, and this one's number, in [0, world_size).
  int world_size = 1;
  int rank = 0;

  // The address of rank 0, which keeps the store that the others meet at, and the port there, in [1, 65535].
  std::string host;
  int port = 0;

  // How long to wait for the other ranks at the start.
  absl::Duration timeout = absl::Seconds(50);

  // Later, a rank may come to a collective call as late as it likes, but one that gives no sign of life for so long is
  // lost (heartbeat.h).
  absl::Duration silence = absl::Seconds(30);

  // Called with one line that names the missing ranks, once they have been waited for `remark_after` at the start. May
  // be empty.
  std::function<void(const std::string& line)> remark = {};
  absl::Duration remark_after = absl::Seconds(5);
};

// The ranks of a data-parallel run: processes that train the same model on different rows. Every method that talks to
// the other ranks is collective: all ranks call it, in the same order.
//
//   auto ranks = RankGroup::Join({.world_size = 2, .rank = rank, .host = "10.0.0.1", .port = 29500});
//   absl::Status status = (*ranks)->Average(gradients);
//
// Errors of collective methods: Unavailable if a rank has ended, is frozen or cannot be reached; the message names it,
// the same rank on each of the others, however late they come to the call. Internal if this rank fails by itself, as
// without memory; the others then learn that it is lost once it ends. The group is of no use afterwards.
//
// From the first group on the process ignores SIGPIPE, unless it handles the signal itself: a write to a rank that has
// ended must not end this one. Not thread-safe.
class RankGroup {
 public:
  // Meets the other ranks over TCP, and exchanges tensors through Gloo. InvalidArgument if a value is out of its range.
  // Unavailable if ranks are missing at the end of the timeout, which the message names, or if the port is in use.
  static absl::StatusOr<std::unique_ptr<RankGroup>> Join(const JoinOptions& options);

  // Works over any backend of c10d that has allreduce and allgather for tensors on the CPU. `store` is one that the
  // ranks share and that can be cloned; it tells which rank is lost. If the backend is Gloo, a call that waits for a
  // lost rank ends; other backends have to end it themselves.
  RankGroup(c10::intrusive_ptr<c10d::Backend> backend, c10::intrusive_ptr<c10d::Store> store,
            absl::Duration silence = absl::Seconds(30));

  // This process's number, and how many there are.
  int rank() const { return backend_->getRank(); }
  int world_size() const { return backend_->getSize(); }

  // Replaces each of the dense tensors by its mean over the ranks. They are exchanged in buckets. All ranks give
  // tensors of the same shapes and types, in the same order.
  absl::Status Average(const std::vector<at::Tensor>& tensors);
  // Returns the bytes of the tensors that Average() has taken on this rank so far.
  int64_t averaged_bytes() const { return averaged_bytes_; }

  // Returns the mean of the ranks' values.
  absl::StatusOr<double> Mean(double value);
  // Returns the ranks' values, by rank. They may differ in length.
  absl::StatusOr<std::vector<std::string>> Gather(const std::string& value);
  // Returns rank 0's value.
  absl::StatusOr<std::string> Broadcast(const std::string& value);

 private:
  // Waits for a collective call that `begin` begins. Throws LostTouch if the backend does, or if a rank does not beat
  // any more.
  void Exchange(const std::function<c10::intrusive_ptr<c10d::Work>()>& begin);
  // Waits for the call. Throws what it throws, or if a rank does not beat any more.
  void Await(c10d::Work& work);
  // What a collective call that threw means: which ranks are lost.
  absl::Status Lost(const std::string& reason);
  // Finds out who is lost and announces it. `silent` are the ranks that have not beaten for long.
  std::set<int> FindLost(const std::set<int>& silent);
  // Tells the other ranks that a call failed, and waits until they say the same. Returns those that neither do so nor
  // beat.
  std::set<int> RollCall();
  // Waits until the ranks that are not lost have heard who is: rank 0's store ends with it.
  void AwaitHearing(const std::set<int>& lost);
  template <typename Function>
  absl::Status Collective(const Function& run);

  const c10::intrusive_ptr<c10d::Backend> backend_;
  const c10::intrusive_ptr<c10d::Store> store_;
  const Heartbeat heartbeat_;
  int64_t averaged_bytes_ = 0;
};

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_PARALLEL_RANK_GROUP_H_
