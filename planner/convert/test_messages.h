#ifndef GREENPLAN_PLANNER_CONVERT_TEST_MESSAGES_H_
#define GREENPLAN_PLANNER_CONVERT_TEST_MESSAGES_H_

#include <string>

#include "google/protobuf/text_format.h"
#include "greenplan/v1/importance.pb.h"
#include "greenplan/v1/plan.pb.h"
#include "greenplan/v1/profile.pb.h"
#include "gtest/gtest.h"

namespace greenplan {

template <typename Message>
Message ParseText(const std::string& text) {
  Message message;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &message)) << text;
  return message;
}

// Three tensors on a chain of three ops, and a fourth that the loss does not reach. Forward 100, full backward 60:
// edges 10 and 10, weight gradients 10, 10, 20. Blocks: "top" (op 1) and "bottom" (op 2).
inline v1::ModelProfile SmallProfile() {
  return ParseText<v1::ModelProfile>(R"pb(
    model: "small"
    cost_unit: COST_UNIT_FLOPS
    forward_cost: 100
    ops {
      name: "loss"
      inputs { op: 1 cost: 10 }
    }
    ops {
      name: "second"
      inputs { op: 2 cost: 10 }
      block: 0
      saved_bytes: 4
    }
    ops { name: "first" block: 1 }
    tensors { name: "c" shape: 2 op: 2 weight_grad_cost: 20 }
    tensors { name: "b" shape: 2 shape: 3 op: 1 weight_grad_cost: 10 saved_bytes: 8 }
    tensors { name: "a" op: 0 weight_grad_cost: 10 }
    tensors { name: "unreached" shape: 5 }
    blocks { name: "top" }
    blocks { name: "bottom" })pb");
}

inline v1::ImportanceReport SmallReport() { return ParseText<v1::ImportanceReport>("importance: [ 3, 2, 1, 0 ]"); }

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CONVERT_TEST_MESSAGES_H_
