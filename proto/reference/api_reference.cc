#include "proto/reference/api_reference.h"

#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/descriptor.h"
#include "proto/reference/comments.h"

namespace greenplan {
namespace {

namespace pb = ::google::protobuf;

// The comment in front of a declaration.
template <typename Descriptor>
std::string CommentOf(const Descriptor& descriptor) {
  pb::SourceLocation location;
  return descriptor.GetSourceLocation(&location) ? location.leading_comments : "";
}

// The comment at the top of a file, which stands in front of its syntax.
std::string CommentOfFile(const pb::FileDescriptor& file) {
  pb::SourceLocation location;
  const std::vector<int> syntax = {pb::FileDescriptorProto::kSyntaxFieldNumber};
  return file.GetSourceLocation(syntax, &location) ? location.leading_comments : "";
}

class Page {
 public:
  explicit Page(const pb::FileDescriptor& file) : file_(file) {}

  std::string Write() {
    const pb::ServiceDescriptor& service = *file_.service(0);
    absl::StrAppend(&text_, "# API reference: ", service.full_name(), "\n\n");
    absl::StrAppend(&text_, "Written by `./dev reference` from the comments in `proto/greenplan/v1`.\n\n");
    absl::StrAppend(&text_, ToMarkdown(CommentOf(service)), "\n");
    WriteContents(service);
    for (int i = 0; i < service.method_count(); ++i) WriteMethod(*service.method(i));
    for (int i = 0; i < file_.dependency_count(); ++i) {
      if (file_.dependency(i)->package() == file_.package()) WriteFile(*file_.dependency(i));
    }
    while (text_.ends_with("\n\n")) text_.pop_back();
    return std::move(text_);
  }

 private:
  void WriteContents(const pb::ServiceDescriptor& service) {
    absl::StrAppend(&text_, "| RPC | |\n| --- | --- |\n");
    for (int i = 0; i < service.method_count(); ++i) {
      const pb::MethodDescriptor& method = *service.method(i);
      absl::StrAppend(&text_, "| ", LinkTo(method.name()), " | ", FirstSentence(CommentOf(method)), " |\n");
    }
    absl::StrAppend(&text_, "\n");
  }

  void WriteMethod(const pb::MethodDescriptor& method) {
    absl::StrAppend(&text_, "## ", method.name(), "\n", ToMarkdown(CommentOf(method)), "\n");
    WritePart("Request", *method.input_type(), method.client_streaming());
    WritePart("Answer", *method.output_type(), method.server_streaming());
  }

  // A message that is declared beside the service is described where it is used.
  void WritePart(absl::string_view part, const pb::Descriptor& message, bool is_stream) {
    absl::StrAppend(&text_, part, ": ", is_stream ? "a stream of " : "");
    if (message.file() == &file_) {
      absl::StrAppend(&text_, "`", message.name(), "`\n\n");
      WriteFields(message);
    } else {
      absl::StrAppend(&text_, NameOf(message), "\n\n");
    }
  }

  void WriteFile(const pb::FileDescriptor& file) {
    const std::string& path = file.name();
    absl::StrAppend(&text_, "## ", path.substr(path.rfind('/') + 1), "\n", ToMarkdown(CommentOfFile(file)), "\n");
    for (int i = 0; i < file.message_type_count(); ++i) {
      const pb::Descriptor& message = *file.message_type(i);
      absl::StrAppend(&text_, "### ", message.name(), "\n", ToMarkdown(CommentOf(message)), "\n");
      WriteFields(message);
    }
    for (int i = 0; i < file.enum_type_count(); ++i) WriteEnum(*file.enum_type(i));
  }

  void WriteFields(const pb::Descriptor& message) {
    if (message.field_count() == 0) return;
    absl::StrAppend(&text_, "| field | type | |\n| --- | --- | --- |\n");
    for (int i = 0; i < message.field_count(); ++i) {
      const pb::FieldDescriptor& field = *message.field(i);
      absl::StrAppend(&text_, "| `", field.name(), "` = ", field.number(), " | ", TypeOf(field), " | ",
                      MeaningOf(field), " |\n");
    }
    absl::StrAppend(&text_, "\n");
  }

  void WriteEnum(const pb::EnumDescriptor& type) {
    absl::StrAppend(&text_, "### ", type.name(), "\n", ToMarkdown(CommentOf(type)), "\n| value | |\n| --- | --- |\n");
    for (int i = 0; i < type.value_count(); ++i) {
      const pb::EnumValueDescriptor& value = *type.value(i);
      absl::StrAppend(&text_, "| `", value.name(), "` = ", value.number(), " | ", ToTableCell(CommentOf(value)),
                      " |\n");
    }
    absl::StrAppend(&text_, "\n");
  }

  std::string TypeOf(const pb::FieldDescriptor& field) const {
    std::string type = field.type_name();
    if (field.message_type() != nullptr) type = NameOf(*field.message_type());
    if (field.enum_type() != nullptr) type = NameOf(*field.enum_type());
    return absl::StrCat(field.is_repeated() ? "repeated " : "", type, field.has_optional_keyword() ? ", optional" : "");
  }

  static std::string MeaningOf(const pb::FieldDescriptor& field) {
    const pb::OneofDescriptor* oneof = field.real_containing_oneof();
    const std::string meaning = ToTableCell(CommentOf(field));
    if (oneof == nullptr) return meaning;
    const std::string of = absl::StrCat("One of `", oneof->name(), "`.");
    const std::string about = oneof->field(0) == &field ? ToTableCell(CommentOf(*oneof)) : "";
    return absl::StrCat(of, about.empty() ? "" : " ", about, meaning.empty() ? "" : " ", meaning);
  }

  // A link, if the page describes the type under a heading of its own.
  template <typename Descriptor>
  std::string NameOf(const Descriptor& type) const {
    return type.file()->package() == file_.package() ? LinkTo(type.name()) : absl::StrCat("`", type.full_name(), "`");
  }

  static std::string LinkTo(const std::string& heading) {
    return absl::StrCat("[", heading, "](#", absl::AsciiStrToLower(heading), ")");
  }

  const pb::FileDescriptor& file_;
  std::string text_;
};

}  // namespace

std::string ApiReference(const pb::FileDescriptorSet& files) {
  pb::DescriptorPool pool;
  const pb::FileDescriptor* file = nullptr;
  for (const pb::FileDescriptorProto& message : files.file()) {  // Imported files come first.
    file = pool.BuildFile(message);
    if (file == nullptr) return "";
  }
  return file == nullptr || file->service_count() != 1 ? "" : Page(*file).Write();
}

}  // namespace greenplan
