#include "profiler/analytic/request.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace greenplan::profiler {
namespace {

using nlohmann::json;

TEST(RequestTest, TheFirstNameThatIsThereCounts) {
  const json config = {{"n_head", nullptr}, {"num_attention_heads", 4}, {"n_layer", 2}, {"num_hidden_layers", 3}};
  const AnalyticOptions options;
  Request request(config, options, Head::kCausalLm);
  EXPECT_EQ(request.Size({"n_head", "num_attention_heads"}, 8), 4);
  EXPECT_EQ(request.Layers({"n_layer", "num_hidden_layers"}, 12), 2);
  EXPECT_EQ(request.Size({"n_embd", "hidden_size"}, 768), 768);
  EXPECT_TRUE(request.status().ok());
}

TEST(RequestTest, NullIsTheDefaultUnlessAskedFor) {
  const json config = {{"n_inner", nullptr}, {"q_lora_rank", nullptr}, {"cap", nullptr}};
  const AnalyticOptions options;
  Request request(config, options, Head::kCausalLm);
  EXPECT_EQ(request.Size("n_inner", 7), 7);
  EXPECT_EQ(request.SizeOrNull("q_lora_rank", 7), std::nullopt);
  EXPECT_EQ(request.SizeOrNull("kv_lora_rank", 7), 7);
  EXPECT_FALSE(request.HasNumber("cap", true));
  EXPECT_TRUE(request.HasNumber("other_cap", true));
  EXPECT_TRUE(request.status().ok());
}

TEST(RequestTest, RemembersTheFirstThingThatWasWrong) {
  const json config = {{"a", -1}, {"b", "x"}};
  const AnalyticOptions options;
  Request request(config, options, Head::kCausalLm);
  EXPECT_EQ(request.Size("a", 3), 1) << "a harmless value";
  request.Size("b", 3);
  request.CheckDivides("c", 2, "d", 3);
  EXPECT_EQ(request.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(request.status().message(), "a is -1; allowed: whole numbers in [1, 1073741824]");
}

TEST(RequestTest, LengthsAreHeldAgainstThePositionsThatAreLearned) {
  const json config = json::object();
  const AnalyticOptions options = {.seq_len = 10, .target_len = 5};
  Request fits(config, options, Head::kCausalLm);
  EXPECT_EQ(fits.SeqLen(10), 10);
  EXPECT_EQ(fits.TargetLen(), 5);
  EXPECT_TRUE(fits.status().ok());
  Request exceeds(config, options, Head::kCausalLm);
  exceeds.TargetLen(4);
  EXPECT_EQ(exceeds.status().message(), "target_len is 5; allowed: [1, 4], as many as the model has positions for");
}

TEST(RequestTest, MelFramesAreFixedByTheModel) {
  const json config = json::object();
  const AnalyticOptions silent, right = {.seq_len = 3000}, wrong = {.seq_len = 1500};
  EXPECT_EQ(Request(config, silent, Head::kCausalLm).MelFrames(3000), 3000);
  EXPECT_EQ(Request(config, right, Head::kCausalLm).MelFrames(3000), 3000);
  Request request(config, wrong, Head::kCausalLm);
  EXPECT_EQ(request.MelFrames(3000), 3000);
  EXPECT_EQ(request.status().message(),
            "seq_len is 1500; this model takes exactly 3000 mel frames, 2 x max_source_positions");
}

TEST(RequestTest, ListsAreReadEntryByEntry) {
  const json config = {{"a", {0, 2}}, {"b", {"x", "y"}}, {"c", {1, -1}}, {"d", {"x", 3}}, {"e", 4}};
  const AnalyticOptions options;
  Request request(config, options, Head::kCausalLm);
  EXPECT_EQ(request.Numbers("a"), std::vector<int64_t>({0, 2}));
  EXPECT_EQ(request.Texts("b"), std::vector<std::string>({"x", "y"}));
  EXPECT_TRUE(request.Numbers("missing").empty());
  EXPECT_TRUE(request.Texts("missing").empty());
  EXPECT_TRUE(request.status().ok());
  request.Numbers("c");
  EXPECT_EQ(request.status().message(), "c[1] is -1; allowed: whole numbers in [0, 1073741824]");
  Request texts(config, options, Head::kCausalLm);
  texts.Texts("d");
  EXPECT_EQ(texts.status().message(), "d is [\"x\",3]; a list of texts is needed");
  Request number(config, options, Head::kCausalLm);
  number.Numbers("e");
  EXPECT_EQ(number.status().message(), "e is 4; a list is needed");
}

TEST(RequestTest, AnActivationIsOneThatTransformersHas) {
  const json config = {{"hidden_act", "silu"}, {"other_act", "prelu"}};
  const AnalyticOptions options;
  Request request(config, options, Head::kCausalLm);
  EXPECT_EQ(request.Activation("hidden_act", "gelu"), "silu");
  EXPECT_EQ(request.Activation("missing", "gelu"), "gelu");
  EXPECT_TRUE(request.status().ok());
  request.Activation("other_act", "gelu");
  EXPECT_EQ(request.status().message().substr(0, 46), "other_act is \"prelu\"; allowed: gelu, gelu_10, ");
}

TEST(RequestTest, APartThatDoesNotDivideTheWholeIsNamedWithIt) {
  const json config = json::object();
  const AnalyticOptions options;
  Request request(config, options, Head::kCausalLm);
  request.CheckDivides("heads", 4, "width", 12);
  EXPECT_TRUE(request.status().ok());
  request.CheckDivides("heads", 5, "width", 12);
  EXPECT_EQ(request.status().message(), "heads is 5; allowed: what divides width, which is 12");
}

TEST(RequestTest, APaddingRowLiesWithinTheVocabulary) {
  const AnalyticOptions options;
  const auto is_taken = [&](const json& row) {
    const json config = {{"pad_token_id", row}};
    Request request(config, options, Head::kCausalLm);
    request.CheckPaddingRow(10);
    return request.status().ok();
  };
  for (const json& row : {json(0), json(9), json(-1), json(-10), json()}) EXPECT_TRUE(is_taken(row)) << row;
  for (const json& row : {json(10), json(-11), json(18446744073709551615ull), json("3")}) {
    EXPECT_FALSE(is_taken(row)) << row;
  }
}

TEST(RequestTest, AnExtentIsOneSizeOrTwo) {
  const json config = {{"image_size", 224}, {"patch_size", {8, 4}}, {"bad", {8, 0}}};
  const AnalyticOptions options;
  Request request(config, options, Head::kImageClassifier);
  EXPECT_EQ(request.Extent("image_size", 1), std::make_pair(int64_t{224}, int64_t{224}));
  EXPECT_EQ(request.Extent("patch_size", 1), std::make_pair(int64_t{8}, int64_t{4}));
  EXPECT_EQ(request.Extent("other", 16), std::make_pair(int64_t{16}, int64_t{16}));
  EXPECT_TRUE(request.status().ok());
  request.Extent("bad", 1);
  EXPECT_EQ(request.status().message(), "bad[1] is 0; allowed: whole numbers in [1, 1073741824]");
}

}  // namespace
}  // namespace greenplan::profiler
