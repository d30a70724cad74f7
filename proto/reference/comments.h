#ifndef GREENPLAN_PROTO_REFERENCE_COMMENTS_H_
#define GREENPLAN_PROTO_REFERENCE_COMMENTS_H_

#include <string>

#include "absl/strings/string_view.h"

namespace greenplan {

// Comments of .proto files as Markdown. A comment is text in paragraphs; a line that begins with "- " begins an item of
// a list, whose further lines are indented by two; any other line that is indented by two or more is a formula of its
// own. Words in capitals, such as INVALID_ARGUMENT, become code. Pure functions, thread-safe.

// `comment` as google::protobuf::SourceLocation has it: lines without "//", ended by "\n".
std::string ToMarkdown(absl::string_view comment);

// The same in one line, for the cell of a table.
std::string ToTableCell(absl::string_view comment);

// The comment's first sentence in one line.
std::string FirstSentence(absl::string_view comment);

}  // namespace greenplan

#endif  // GREENPLAN_PROTO_REFERENCE_COMMENTS_H_
