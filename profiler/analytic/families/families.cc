#include "profiler/analytic/families/family.h"

namespace greenplan::profiler {

const std::vector<const Family*>& Families() {
  static const auto& families = *new std::vector<const Family*>{&kBert,    &kBloom, &kDeepseekV3, &kGemma2,  &kGpt2,
                                                                &kGptNeox, &kLlama, &kMistral,    &kMixtral, &kOpt,
                                                                &kPhi3,    &kQwen2, &kT5,         &kVit,     &kWhisper};
  return families;
}

}  // namespace greenplan::profiler
