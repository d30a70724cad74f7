#ifndef GREENPLAN_PLANNER_SERVICE_PLAN_ROUND_MESSAGES_H_
#define GREENPLAN_PLANNER_SERVICE_PLAN_ROUND_MESSAGES_H_

#include <utility>

#include "greenplan/v1/importance.pb.h"
#include "greenplan/v1/plan.pb.h"
#include "greenplan/v1/planner_service.pb.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/message_allocator.h"

namespace greenplan {

// Gives each PlanRound call its messages. gRPC keeps a call's request until the call ends; that of a rank that waits
// for others need not stay in memory, as its report is in the store.
//
//   service.SetMessageAllocatorFor_PlanRound(&messages);
//   v1::ImportanceReport report = PlanRoundMessages::TakeReport(*context);   // Within a call of PlanRound.
//
// Thread-safety: safe.
class PlanRoundMessages final : public grpc::MessageAllocator<v1::PlanRoundRequest, v1::Plan> {
 public:
  // Moves the report out of the call's request. Call it once for each call. REQUIRES: the call's messages come from
  // this class.
  static v1::ImportanceReport TakeReport(grpc::CallbackServerContext& context) {
    return std::move(*static_cast<Messages*>(context.GetRpcAllocatorState())->request()->mutable_report());
  }

  grpc::MessageHolder<v1::PlanRoundRequest, v1::Plan>* AllocateMessages() override { return new Messages(); }

 private:
  // Of one call, which releases it.
  class Messages final : public grpc::MessageHolder<v1::PlanRoundRequest, v1::Plan> {
   public:
    Messages() {
      set_request(&own_request_);
      set_response(&own_response_);
    }
    void Release() override { delete this; }

   private:
    v1::PlanRoundRequest own_request_;
    v1::Plan own_response_;
  };
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_SERVICE_PLAN_ROUND_MESSAGES_H_
