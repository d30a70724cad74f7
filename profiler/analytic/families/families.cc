#include <utility>

#include "profiler/analytic/families/family.h"

namespace greenplan::profiler {

const std::vector<const Family*>& Families() {
  static const auto& families = *new std::vector<const Family*>{
      &kBart,         &kBert,       &kBloom,       &kCohere2,    &kDeepseekV3, &kDeit,        &kDinov2,  &kDistilBert,
      &kElectra,      &kFalcon,     &kGemma,       &kGemma2,     &kGemma3Text, &kGlm4,        &kGpt2,    &kGptNeox,
      &kGptOss,       &kGranite,    &kLlama,       &kLlama4Text, &kMinistral,  &kMinistral3,  &kMistral, &kMixtral,
      &kModernBert,   &kMt5,        &kOlmo2,       &kOlmo3,      &kOpt,        &kPhi,         &kPhi3,    &kQwen2,
      &kQwen25VlText, &kQwen2Moe,   &kQwen2VlText, &kQwen3,      &kQwen3Moe,   &kQwen3VlText, &kRoberta, &kSmolLm3,
      &kStableLm,     &kStarcoder2, &kT5,          &kVit,        &kWhisper,    &kXlmRoberta};
  return families;
}

std::vector<HeadClass> DecoderHeads(std::vector<HeadClass> more) {
  std::vector<HeadClass> heads = {{"ForCausalLM", Head::kCausalLm},
                                  {"ForSequenceClassification", Head::kSequenceClassifier},
                                  {"ForTokenClassification", Head::kTokenClassifier},
                                  {"Model", Head::kNone}};
  for (HeadClass& head : more) heads.push_back(std::move(head));
  return heads;
}

std::vector<HeadClass> EncoderHeads() {
  return {{"ForMaskedLM", Head::kMaskedLm},
          {"ForSequenceClassification", Head::kSequenceClassifier},
          {"ForTokenClassification", Head::kTokenClassifier},
          {"ForQuestionAnswering", Head::kQuestionAnswering},
          {"Model", Head::kNone}};
}

}  // namespace greenplan::profiler
