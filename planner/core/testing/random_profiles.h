#ifndef GREENPLAN_PLANNER_CORE_TESTING_RANDOM_PROFILES_H_
#define GREENPLAN_PLANNER_CORE_TESTING_RANDOM_PROFILES_H_

#include <cstdint>
#include <random>
#include <vector>

#include "planner/core/model_profile.h"

namespace greenplan {

// Valid profiles for tests and benchmarks, the same for the same seed. Not part of the library.

// An engine whose derived draws do not depend on the standard library.
class TestRandom {
 public:
  explicit TestRandom(uint64_t seed) : engine_(seed) {}

  int Below(int bound) { return static_cast<int>(engine_() % static_cast<uint64_t>(bound)); }
  double Unit() { return static_cast<double>(engine_() >> 11) * 0x1p-53; }  // In [0, 1).
  bool Chance(double probability) { return Unit() < probability; }
  double Normal();
  int64_t Cost(int64_t below) { return static_cast<int64_t>(engine_() % static_cast<uint64_t>(below)); }

 private:
  std::mt19937_64 engine_;
};

// The shape of a profile's graph. The last three are like models of that kind.
enum class GraphShape { kChain, kTree, kDag, kDecoder, kEncoderDecoder, kMixtureOfExperts };
inline constexpr GraphShape kAllShapes[] = {
    GraphShape::kChain,   GraphShape::kTree,           GraphShape::kDag,
    GraphShape::kDecoder, GraphShape::kEncoderDecoder, GraphShape::kMixtureOfExperts};

// What a random profile looks like.
struct RandomProfileOptions {
  GraphShape shape = GraphShape::kChain;
  int size = 4;               // Ops of a chain, tree or graph; layers (of each stack) of a model.
  int64_t max_cost = 20;      // Costs are below.
  double free_share = 0.3;    // Share of ops, edges and tensors that cost nothing.
  bool with_blocks = false;   // Models: a block for each branch. Others: at random.
  int max_tensors = 1000000;  // The surplus is dropped at random.
};

ModelProfile RandomProfile(const RandomProfileOptions& options, TestRandom& random);

// How importance is distributed. The last two make ratios tell little apart, which is hard for the search.
enum class ImportanceKind { kHeavyTailed, kWholeNumbers, kDecaying, kSizeCorrelated, kCostProportional, kNearUniform };
inline constexpr ImportanceKind kAllImportance[] = {ImportanceKind::kHeavyTailed,      ImportanceKind::kWholeNumbers,
                                                    ImportanceKind::kDecaying,         ImportanceKind::kSizeCorrelated,
                                                    ImportanceKind::kCostProportional, ImportanceKind::kNearUniform};

std::vector<double> RandomImportance(const ModelProfile& profile, ImportanceKind kind, TestRandom& random);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_TESTING_RANDOM_PROFILES_H_
