#include "profiler/analytic/model_choice.h"

#include <algorithm>
#include <cstdlib>
#include <initializer_list>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"

namespace greenplan::profiler {
namespace {

using Json = nlohmann::json;

// Models of text and images whose text model can be profiled by itself.
struct Composite {
  const char* model_type;
  const char* architecture;
  const char* text_type;        // The text's model_type where its part of the config does not say.
  const char* text_base;        // What the text model is called within it; in its bare class without "model.".
  bool tied;                    // Whether its head is tied where its own config does not say.
  const char* bare = "";        // The class without a head, if there is one.
  const char* classifier = "";  // The class that classifies sequences, if there is one.
};
constexpr Composite kComposites[] = {
    {"gemma3", "Gemma3ForConditionalGeneration", "gemma3_text", "model.language_model", true, "Gemma3Model",
     "Gemma3ForSequenceClassification"},
    {"llama4", "Llama4ForConditionalGeneration", "llama4_text", "language_model.model", false},
    {"mistral3", "Mistral3ForConditionalGeneration", "mistral", "model.language_model", true, "Mistral3Model"},
    {"qwen2_5_vl", "Qwen2_5_VLForConditionalGeneration", "qwen2_5_vl_text", "model.language_model", false,
     "Qwen2_5_VLModel"},
    {"qwen2_vl", "Qwen2VLForConditionalGeneration", "qwen2_vl_text", "model.language_model", false, "Qwen2VLModel"},
    {"qwen3_vl", "Qwen3VLForConditionalGeneration", "qwen3_vl_text", "model.language_model", false, "Qwen3VLModel"},
};

// A class of a model of text and images: its head, and what --head calls it.
struct CompositeClass {
  const char* name;
  const char* architecture;
  Head head;
};
std::vector<CompositeClass> ClassesOf(const Composite& composite) {
  std::vector<CompositeClass> classes = {{"causal-lm", composite.architecture, Head::kCausalLm}};
  if (*composite.classifier != '\0') classes.push_back({"classifier", composite.classifier, Head::kSequenceClassifier});
  if (*composite.bare != '\0') classes.push_back({"none", composite.bare, Head::kNone});
  return classes;
}

bool HasClass(const Composite& composite, absl::string_view architecture) {
  const std::vector<CompositeClass> classes = ClassesOf(composite);
  return std::any_of(classes.begin(), classes.end(), [&](const CompositeClass& known) {
    return absl::EqualsIgnoreCase(architecture, known.architecture);
  });
}

// Keys that one family alone has, for configs from before there was a model_type.
struct Signature {
  const char* model_type;
  std::vector<const char*> has;
  std::vector<const char*> lacks;
};
const std::vector<Signature>& Signatures() {
  static const auto& signatures = *new std::vector<Signature>{
      {"bert", {"type_vocab_size", "hidden_size"}, {"embedding_size", "bos_token_id", "eos_token_id"}},
      {"deepseek_v3", {"kv_lora_rank", "n_routed_experts"}, {}},
      {"distilbert", {"dim", "n_heads", "hidden_dim"}, {}},
      {"electra", {"type_vocab_size", "embedding_size", "generator_size"}, {}},
      {"electra", {"type_vocab_size", "embedding_size", "summary_type"}, {"generator_size"}},
      {"falcon", {"multi_query", "parallel_attn"}, {}},
      {"gpt2", {"n_embd", "n_positions"}, {"rotary_dim"}},
      {"gpt_neox", {"rotary_pct", "use_parallel_residual"}, {}},
      {"granite", {"logits_scaling", "residual_multiplier"}, {"num_local_experts", "shared_intermediate_size"}},
      {"modernbert", {"global_attn_every_n_layers", "local_attention"}, {}},
      {"opt", {"word_embed_proj_dim", "ffn_dim"}, {}},
      {"whisper", {"num_mel_bins", "max_source_positions", "max_target_positions"}, {}},
  };
  return signatures;
}

const Family* FindFamily(absl::string_view type) {
  for (const Family* family : Families()) {
    if (type == family->model_type) return family;
  }
  return nullptr;
}

const Composite* FindComposite(absl::string_view type) {
  for (const Composite& composite : kComposites) {
    if (type == composite.model_type) return &composite;
  }
  return nullptr;
}

// architectures[0], or nothing where the config names none.
absl::StatusOr<std::string> Architecture(const Json& config) {
  const auto it = config.find("architectures");
  if (it == config.end() || it->is_null() || (it->is_array() && it->empty())) return std::string();
  if (it->is_array() && (*it)[0].is_string()) return (*it)[0].get<std::string>();
  return absl::InvalidArgumentError(absl::StrCat("architectures is ", it->dump(), "; allowed: a list of class names"));
}

std::string ClassName(const Family& family, const HeadClass& head) {
  return absl::StrCat(family.class_prefix, head.suffix);
}

const HeadClass* FindClass(const Family& family, absl::string_view architecture) {
  for (const HeadClass& head : family.heads) {
    if (absl::EqualsIgnoreCase(architecture, ClassName(family, head))) return &head;
  }
  return nullptr;
}

bool Matches(const Signature& signature, const Json& config) {
  const auto there = [&config](const char* key) { return config.contains(key) && !config[key].is_null(); };
  return std::all_of(signature.has.begin(), signature.has.end(), there) &&
         std::none_of(signature.lacks.begin(), signature.lacks.end(), there);
}

// What the class or, without one, the keys say of a config without a model_type.
absl::StatusOr<std::string> InferModelType(const Json& config, const std::string& architecture) {
  std::vector<std::string> types;
  for (const Family* family : Families()) {
    if (!architecture.empty() && FindClass(*family, architecture) != nullptr) types.push_back(family->model_type);
  }
  for (const Composite& composite : kComposites) {
    if (HasClass(composite, architecture)) types.push_back(composite.model_type);
  }
  for (const Signature& signature : Signatures()) {
    if (architecture.empty() && Matches(signature, config)) types.push_back(signature.model_type);
  }
  if (types.size() == 1) return types[0];
  return absl::InvalidArgumentError(absl::StrCat(
      "model_type is missing from the config, and ",
      architecture.empty() ? "its keys do" : absl::StrCat("architectures[0], \"", architecture, "\", does"),
      " not name one family", types.empty() ? "" : absl::StrCat(" (it may be ", absl::StrJoin(types, " or "), ")"),
      "; add it, for example \"model_type\": \"llama\""));
}

absl::StatusOr<std::string> ModelType(const Json& config, const std::string& architecture) {
  const auto it = config.find("model_type");
  if (it == config.end() || it->is_null()) return InferModelType(config, architecture);
  if (it->is_string()) return it->get<std::string>();
  return absl::InvalidArgumentError(absl::StrCat("model_type is ", it->dump(), "; allowed: the name of a family"));
}

absl::Status Unsupported(absl::string_view key, absl::string_view type) {
  return absl::InvalidArgumentError(absl::StrCat(
      key, " is \"", type, "\", which is not supported; the nearest that is supported is \"", NearestModelType(type),
      "\" (docs/profiling.md lists all). Any other model can be profiled live, from Python or C++"));
}

// The head is tied as the whole model's config says. Qwen's also if the text's does.
Json Tied(const Composite& composite, const Json& whole, const Json& text) {
  const Json own = whole.contains("tie_word_embeddings") ? whole["tie_word_embeddings"] : Json(composite.tied);
  const bool qwen = absl::StartsWith(composite.model_type, "qwen");
  return qwen && own == Json(false) ? text.value("tie_word_embeddings", Json(false)) : own;
}

// Replaces a config of text and images by that of its text. composite: nothing is known about the whole model if null.
absl::Status TakeText(const std::string& type, const Composite* composite, ModelChoice& choice) {
  Json text = choice.config.value("text_config", Json());
  if (text.is_null()) text = choice.config;  // Before text_config the text's keys stood at the top.
  if (!text.is_object()) {
    return absl::InvalidArgumentError(absl::StrCat("text_config is ", text.dump(), "; allowed: an object"));
  }
  if (composite != nullptr) {
    if (!text.contains("model_type") || text["model_type"] == type) text["model_type"] = composite->text_type;
    text["tie_word_embeddings"] = Tied(*composite, choice.config, text);
    for (const char* key : {"num_labels", "id2label"}) {
      if (choice.config.contains(key)) text[key] = choice.config[key];
    }
  }
  const Json text_type = text.value("model_type", Json());
  if (!text_type.is_string()) {
    return absl::InvalidArgumentError(
        absl::StrCat("text_config.model_type is ", text_type.dump(), "; allowed: the name of a family"));
  }
  choice.family = FindFamily(text_type.get_ref<const std::string&>());
  if (choice.family == nullptr) return Unsupported("text_config.model_type", text_type.get_ref<const std::string&>());
  choice.config = std::move(text);
  choice.composite_type = type;
  return absl::OkStatus();
}

// The head of a model of text and images, of which the text is profiled.
absl::StatusOr<HeadClass> CompositeHead(const Composite& composite, const Family& family,
                                        const std::string& architecture, absl::string_view name) {
  std::vector<absl::string_view> names, classes;
  for (const CompositeClass& known : ClassesOf(composite)) {
    names.push_back(known.name);
    classes.push_back(known.architecture);
    const bool is_wanted = !name.empty()          ? name == known.name
                           : architecture.empty() ? known.head == Head::kCausalLm
                                                  : absl::EqualsIgnoreCase(architecture, known.architecture);
    if (!is_wanted) continue;
    for (const HeadClass& head : family.heads) {
      if (head.head == known.head) return head;
    }
  }
  if (!name.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("head is ", name, "; allowed for ", composite.model_type, ": ", absl::StrJoin(names, ", ")));
  }
  return absl::InvalidArgumentError(absl::StrCat("architectures[0] is \"", architecture, "\"; supported for ",
                                                 composite.model_type, ": ", absl::StrJoin(classes, ", "),
                                                 "; --head chooses one whatever the config says"));
}

absl::StatusOr<HeadClass> HeadByName(const Family& family, absl::string_view name) {
  const std::initializer_list<std::pair<const char*, std::vector<Head>>> kHeads = {
      {"causal-lm", {Head::kCausalLm}},
      {"masked-lm", {Head::kMaskedLm}},
      {"classifier", {Head::kSequenceClassifier, Head::kImageClassifier}},
      {"none", {Head::kNone}},
  };
  std::vector<std::string> allowed;
  for (const auto& [known, heads] : kHeads) {
    for (const HeadClass& head : family.heads) {
      if (std::find(heads.begin(), heads.end(), head.head) == heads.end()) continue;
      if (name == known) return head;
      allowed.push_back(known);
      break;
    }
  }
  return absl::InvalidArgumentError(
      absl::StrCat("head is ", name, "; allowed for ", family.model_type, ": ", absl::StrJoin(allowed, ", ")));
}

absl::StatusOr<HeadClass> HeadByClass(const Family& family, const std::string& architecture) {
  if (architecture.empty()) return family.heads[0];
  if (const HeadClass* head = FindClass(family, architecture)) return *head;
  std::vector<std::string> supported;
  for (const HeadClass& head : family.heads) supported.push_back(ClassName(family, head));
  return absl::InvalidArgumentError(absl::StrCat("architectures[0] is \"", architecture, "\"; supported for ",
                                                 family.model_type, ": ", absl::StrJoin(supported, ", "),
                                                 "; --head chooses one whatever the config says"));
}

int EditDistance(absl::string_view a, absl::string_view b) {
  std::vector<int> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = static_cast<int>(j);
  for (size_t i = 1; i <= a.size(); ++i) {
    int diagonal = row[0];
    row[0] = static_cast<int>(i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const int replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

int CommonPrefix(absl::string_view a, absl::string_view b) {
  const size_t length = std::min(a.size(), b.size());
  return static_cast<int>(std::mismatch(a.begin(), a.begin() + length, b.begin()).first - a.begin());
}

}  // namespace

void ModelChoice::NameTensors(Graph& graph) const {
  const std::string base = *family->base == '\0' ? "" : absl::StrCat(family->base, ".");
  if (text_base != nullptr) {
    graph.RenamePrefix(base, absl::StrCat(IsBare() ? absl::StripPrefix(text_base, "model.") : text_base, "."));
    if (absl::StartsWith(text_base, "language_model.")) graph.RenamePrefix("lm_head", "language_model.lm_head");
  } else if (IsBare() && !base.empty()) {
    graph.RenamePrefix(base, "");
  } else if (head.base != nullptr) {
    graph.RenamePrefix(base, absl::StrCat(head.base, "."));
  }
}

absl::StatusOr<ModelChoice> ChooseModel(const Json& config, absl::string_view head) {
  if (!config.is_object()) return absl::InvalidArgumentError("the config is not a JSON object");
  const absl::StatusOr<std::string> architecture = Architecture(config);
  if (!architecture.ok()) return architecture.status();
  const absl::StatusOr<std::string> type = ModelType(config, *architecture);
  if (!type.ok()) return type.status();

  ModelChoice choice = {.family = FindFamily(*type), .config = config};
  const Composite* composite = nullptr;
  if (choice.family == nullptr) {
    composite = FindComposite(*type);
    if (composite == nullptr && !config.contains("text_config")) return Unsupported("model_type", *type);
    if (absl::Status status = TakeText(*type, composite, choice); !status.ok()) return status;
  }
  const bool is_of_text = choice.IsTextAlone() && FindClass(*choice.family, *architecture) != nullptr;
  const bool is_whole = composite != nullptr && !is_of_text && (head != "none" || *composite->bare != '\0');
  // Of a model of text and images that is not known, the text is profiled as a language model.
  if (choice.IsTextAlone() && composite == nullptr && !is_of_text && head.empty()) head = "causal-lm";
  const absl::StatusOr<HeadClass> found = is_whole ? CompositeHead(*composite, *choice.family, *architecture, head)
                                          : head.empty() ? HeadByClass(*choice.family, *architecture)
                                                         : HeadByName(*choice.family, head);
  if (!found.ok()) return found.status();
  choice.head = *found;
  if (is_whole) choice.text_base = composite->text_base;
  return choice;
}

std::string NearestModelType(absl::string_view type) {
  constexpr int kFamilyPrefix = 4;  // As many letters name a family: "qwen", "gemm", "dino".
  const std::string wanted = absl::AsciiStrToLower(type);
  std::string nearest;
  std::tuple<int, int, int> least;
  for (const Family* family : Families()) {
    const absl::string_view known = family->model_type;
    const int prefix = CommonPrefix(wanted, known);
    const int longer = std::abs(static_cast<int>(wanted.size()) - static_cast<int>(known.size()));
    const std::tuple<int, int, int> distance = {prefix >= kFamilyPrefix ? -prefix : 0, EditDistance(wanted, known),
                                                longer};
    if (!nearest.empty() && distance >= least) continue;
    nearest = family->model_type;
    least = distance;
  }
  return nearest;
}

}  // namespace greenplan::profiler
