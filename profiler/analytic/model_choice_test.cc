#include "profiler/analytic/model_choice.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace greenplan::profiler {
namespace {

using nlohmann::json;
using testing::HasSubstr;

std::string TypeOf(const json& config) {
  const absl::StatusOr<ModelChoice> choice = ChooseModel(config, "");
  EXPECT_TRUE(choice.ok()) << choice.status();
  return choice.ok() ? choice->family->model_type : "";
}

Head HeadOf(const json& config, const std::string& head = "") {
  const absl::StatusOr<ModelChoice> choice = ChooseModel(config, head);
  EXPECT_TRUE(choice.ok()) << choice.status();
  return choice.ok() ? choice->head.head : Head::kEncoder;
}

std::string RefusalOf(const json& config, const std::string& head = "") {
  const absl::Status status = ChooseModel(config, head).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  return std::string(status.message());
}

TEST(ChooseModelTest, ArchitecturesPickTheHead) {
  const json config = {{"model_type", "bert"}};
  const auto head_of = [&](const json& architectures) {
    json with = config;
    with["architectures"] = architectures;
    return HeadOf(with);
  };
  EXPECT_EQ(HeadOf(config), Head::kMaskedLm);
  EXPECT_EQ(head_of(nullptr), Head::kMaskedLm);
  EXPECT_EQ(head_of(json::array()), Head::kMaskedLm);
  EXPECT_EQ(head_of({"BertModel"}), Head::kNone);
  EXPECT_EQ(head_of({"BertForPreTraining"}), Head::kPretraining);
  EXPECT_EQ(head_of({"BertForQuestionAnswering"}), Head::kQuestionAnswering);
}

TEST(ChooseModelTest, OldSpellingsOfClassesAreKnown) {
  EXPECT_EQ(HeadOf({{"model_type", "llama"}, {"architectures", {"LLaMAForCausalLM"}}}), Head::kCausalLm);
  EXPECT_EQ(HeadOf({{"model_type", "t5"}, {"architectures", {"T5WithLMHeadModel"}}}), Head::kCausalLm);
}

TEST(ChooseModelTest, AnEncoderDecoderHasABareModelAndABareEncoder) {
  EXPECT_EQ(HeadOf({{"model_type", "t5"}, {"architectures", {"T5Model"}}}), Head::kNone);
  EXPECT_EQ(HeadOf({{"model_type", "t5"}, {"architectures", {"T5EncoderModel"}}}), Head::kEncoder);
  EXPECT_EQ(HeadOf({{"model_type", "whisper"}, {"architectures", {"WhisperModel"}}}), Head::kNone);
}

TEST(ChooseModelTest, TheHeadAskedForComesBeforeTheConfigs) {
  EXPECT_EQ(HeadOf({{"model_type", "llama"}, {"architectures", {"LlamaModel"}}}, "causal-lm"), Head::kCausalLm);
  EXPECT_EQ(HeadOf({{"model_type", "llama"}, {"architectures", {"AnotherForLlama"}}}, "none"), Head::kNone);
  EXPECT_EQ(HeadOf({{"model_type", "vit"}}, "classifier"), Head::kImageClassifier);
  EXPECT_EQ(HeadOf({{"model_type", "roberta"}}, "masked-lm"), Head::kMaskedLm);
}

TEST(ChooseModelTest, WithoutAModelTypeTheClassTellsTheFamily) {
  EXPECT_EQ(TypeOf({{"architectures", {"BertForMaskedLM"}}}), "bert");
  EXPECT_EQ(TypeOf({{"architectures", {"XLMRobertaModel"}}}), "xlm-roberta");
  EXPECT_EQ(TypeOf({{"model_type", nullptr}, {"architectures", {"GPT2LMHeadModel"}}}), "gpt2");
}

TEST(ChooseModelTest, WithoutAClassTheKeysMayTellTheFamily) {
  EXPECT_EQ(TypeOf({{"hidden_size", 128}, {"type_vocab_size", 2}, {"hidden_dropout_prob", 0.1}}), "bert");
  EXPECT_EQ(TypeOf({{"n_embd", 768}, {"n_positions", 1024}, {"n_layer", 12}}), "gpt2");
  EXPECT_EQ(TypeOf({{"dim", 768}, {"n_heads", 12}, {"hidden_dim", 3072}}), "distilbert");
}

TEST(ChooseModelTest, KeysThatSeveralFamiliesHaveAreRefused) {
  EXPECT_THAT(RefusalOf({{"hidden_size", 8}, {"num_hidden_layers", 2}}),
              HasSubstr("model_type is missing from the config, and its keys do not name one family"));
  EXPECT_THAT(RefusalOf({{"architectures", {"MyModel"}}}),
              HasSubstr("architectures[0], \"MyModel\", does not name one"));
}

TEST(ChooseModelTest, TheTextOfAModelOfTextAndImagesIsTaken) {
  const json text = {{"model_type", "qwen3_vl_text"}, {"hidden_size", 64}};
  const json config = {{"model_type", "qwen3_vl"}, {"text_config", text}, {"tie_word_embeddings", true}};
  const absl::StatusOr<ModelChoice> choice = ChooseModel(config, "");
  ASSERT_TRUE(choice.ok()) << choice.status();
  EXPECT_STREQ(choice->family->model_type, "qwen3_vl_text");
  EXPECT_EQ(choice->head.head, Head::kCausalLm);
  EXPECT_TRUE(choice->IsTextAlone());
  EXPECT_EQ(choice->config["hidden_size"], 64);
  EXPECT_EQ(choice->config["tie_word_embeddings"], true) << "the whole model's";
}

TEST(ChooseModelTest, AClassifierOfTextAndImagesIsNoLanguageModel) {
  json config = {{"model_type", "gemma3"},
                 {"architectures", {"Gemma3ForSequenceClassification"}},
                 {"num_labels", 5},
                 {"text_config", {{"model_type", "gemma3_text"}}}};
  const absl::StatusOr<ModelChoice> choice = ChooseModel(config, "");
  ASSERT_TRUE(choice.ok()) << choice.status();
  EXPECT_EQ(choice->head.head, Head::kSequenceClassifier);
  EXPECT_STREQ(choice->text_base, "model.language_model");
  EXPECT_EQ(choice->config["num_labels"], 5);
  EXPECT_EQ(ChooseModel(config, "causal-lm")->head.head, Head::kCausalLm);
  config["architectures"] = {"Gemma3ForWishes"};
  EXPECT_EQ(RefusalOf(config),
            "architectures[0] is \"Gemma3ForWishes\"; supported for gemma3: Gemma3ForConditionalGeneration, "
            "Gemma3ForSequenceClassification, Gemma3Model; --head chooses one whatever the config says");
  EXPECT_EQ(RefusalOf({{"model_type", "qwen2_vl"}}, "classifier"),
            "head is classifier; allowed for qwen2_vl: causal-lm, none");
}

TEST(ChooseModelTest, ABareModelOfTextAndImagesKeepsItsImageModel) {
  const json config = {{"architectures", {"Mistral3Model"}}, {"text_config", {{"model_type", "mistral"}}}};
  for (const char* head : {"", "none"}) {
    const absl::StatusOr<ModelChoice> choice = ChooseModel(config, head);
    ASSERT_TRUE(choice.ok()) << choice.status();
    EXPECT_EQ(choice->composite_type, "mistral3");
    EXPECT_EQ(choice->head.head, Head::kNone);
    EXPECT_STREQ(choice->text_base, "model.language_model") << "so that the image model is listed";
  }
}

TEST(ChooseModelTest, OfAnyOtherModelWithAPartForTextThatPartIsTaken) {
  const json config = {{"model_type", "llava"},
                       {"architectures", {"LlavaForConditionalGeneration"}},
                       {"text_config", {{"model_type", "mistral"}, {"hidden_size", 64}}}};
  const absl::StatusOr<ModelChoice> choice = ChooseModel(config, "");
  ASSERT_TRUE(choice.ok()) << choice.status();
  EXPECT_STREQ(choice->family->model_type, "mistral");
  EXPECT_EQ(choice->head.head, Head::kCausalLm);
  EXPECT_TRUE(choice->IsTextAlone());
  EXPECT_EQ(choice->text_base, nullptr) << "its own names";
}

TEST(ChooseModelTest, TheTextsKeysMayStandAtTheTop) {
  const absl::StatusOr<ModelChoice> choice = ChooseModel({{"model_type", "qwen2_5_vl"}, {"hidden_size", 64}}, "");
  ASSERT_TRUE(choice.ok()) << choice.status();
  EXPECT_STREQ(choice->family->model_type, "qwen2_5_vl_text");
  EXPECT_EQ(choice->config["hidden_size"], 64);
}

TEST(ChooseModelTest, RefusesByNamingTheThing) {
  EXPECT_EQ(RefusalOf(json::array()), "the config is not a JSON object");
  EXPECT_EQ(RefusalOf({{"model_type", 7}}), "model_type is 7; allowed: the name of a family");
  EXPECT_EQ(RefusalOf({{"model_type", "llama"}, {"architectures", "LlamaModel"}}),
            "architectures is \"LlamaModel\"; allowed: a list of class names");
  EXPECT_THAT(RefusalOf({{"model_type", "llama"}, {"architectures", {"LlamaForWishes"}}}),
              HasSubstr("architectures[0] is \"LlamaForWishes\"; supported for llama: LlamaForCausalLM, "));
  EXPECT_EQ(RefusalOf({{"model_type", "vit"}}, "causal-lm"), "head is causal-lm; allowed for vit: classifier, none");
  EXPECT_EQ(RefusalOf({{"model_type", "gemma3"}, {"text_config", 3}}), "text_config is 3; allowed: an object");
  EXPECT_THAT(RefusalOf({{"model_type", "mistral3"}, {"text_config", {{"model_type", "rwkv"}}}}),
              HasSubstr("text_config.model_type is \"rwkv\", which is not supported"));
  EXPECT_THAT(
      RefusalOf({{"model_type", "qwen3_next"}}),
      HasSubstr("the nearest that is supported is \"qwen3_moe\" (docs/profiling.md lists all). Any other model can "
                "be profiled live, from Python or C++"));
}

TEST(NearestModelTypeTest, IsOfTheSameFamilyOrOfNearlyTheSameLetters) {
  EXPECT_EQ(NearestModelType("qwen3_omni"), "qwen3_moe");
  EXPECT_EQ(NearestModelType("phi4"), "phi3");
  EXPECT_EQ(NearestModelType("Mistrl"), "mistral");
  EXPECT_EQ(NearestModelType("camembert"), "modernbert");
  EXPECT_EQ(NearestModelType("dinov3_vit"), "dinov2");
}

}  // namespace
}  // namespace greenplan::profiler
