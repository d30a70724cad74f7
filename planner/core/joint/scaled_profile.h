#ifndef GREENPLAN_PLANNER_CORE_JOINT_SCALED_PROFILE_H_
#define GREENPLAN_PLANNER_CORE_JOINT_SCALED_PROFILE_H_

#include <cstdint>
#include <vector>

#include "planner/core/model_profile.h"

namespace greenplan {

// The profile whose selection problem is that of the mask at given drop rates: what lies in block b costs 1 - p_b times
// as much. Costs are whole numbers, so each is rounded, all in the same direction: with kUp a mask that keeps the
// budget here keeps it in expectation too, and with kDown a mask that keeps it in expectation keeps it here too.
//
// Costs are counted in 2^-shift of the profile's unit. A larger shift makes the rounding smaller.
// Not thread-safe.
//
//   ScaledProfile scaled(profile);
//   const MaskCost cost = EvaluateMask(scaled.At(rates), mask);  // The expected cost, or a little more.
class ScaledProfile {
 public:
  enum class Rounding { kUp, kDown };

  // Does not copy `profile`, which must outlive this. REQUIRES: shift >= 0, and the sum of all costs, forward_cost
  // included, is at most 2^62 in the smaller unit; see LargestShift.
  explicit ScaledProfile(const ModelProfile& profile, Rounding rounding = Rounding::kUp, int shift = 0)
      : profile_(profile), rounding_(rounding), shift_(shift) {}

  // The largest shift that a profile allows.
  static int LargestShift(const ModelProfile& profile);

  // Returns the profile at these rates ([num_blocks], each in [0, 1]), without names and shapes where it is a copy. One
  // copy, made at the first call that needs it, serves all rates: the reference is valid up to the next call.
  const ModelProfile& At(const std::vector<double>& rates);

 private:
  void CopyCosts();
  int64_t Scaled(int64_t cost, double rate) const;

  const ModelProfile& profile_;
  const Rounding rounding_;
  const int shift_;
  ModelProfile scaled_;  // Empty until it is needed.
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_JOINT_SCALED_PROFILE_H_
