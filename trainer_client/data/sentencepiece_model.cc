#include "trainer_client/data/sentencepiece_model.h"

#include <sentencepiece_processor.h>

namespace greenplan::trainer {

SentencePieceModel::SentencePieceModel() : processor_(std::make_unique<sentencepiece::SentencePieceProcessor>()) {}
SentencePieceModel::~SentencePieceModel() = default;

std::string SentencePieceModel::Load(const std::string& serialized_model) {
  const sentencepiece::util::Status status = processor_->LoadFromSerializedProto(serialized_model);
  return status.ok() ? "" : status.ToString();
}

std::vector<int> SentencePieceModel::Encode(std::string_view text) const {
  std::vector<int> ids;
  // Fails only where no model is loaded.
  (void)processor_->Encode(text, &ids);
  return ids;
}

int SentencePieceModel::bos_id() const { return processor_->bos_id(); }
int SentencePieceModel::eos_id() const { return processor_->eos_id(); }
int SentencePieceModel::size() const { return processor_->GetPieceSize(); }

}  // namespace greenplan::trainer
