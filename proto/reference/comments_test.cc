#include "proto/reference/comments.h"

#include "gtest/gtest.h"

namespace greenplan {
namespace {

TEST(CommentsTest, KeepsParagraphsAndLists) {
  EXPECT_EQ(ToMarkdown(" One line,\n another.\n\n - NOT_FOUND: none,\n   or none.\n - EMPTY.\n"),
            "One line,\nanother.\n\n- `NOT_FOUND`: none,\n  or none.\n- `EMPTY`.\n");
  EXPECT_EQ(ToMarkdown(""), "\n");
}

TEST(CommentsTest, AnIndentedLineIsAFormula) {
  EXPECT_EQ(ToMarkdown(" The cost is\n   a < b * FIVES.\n It counts.\n"),
            "The cost is\n\n    a < b * FIVES.\n\nIt counts.\n");
}

TEST(CommentsTest, EscapesWhatMarkdownWouldRead) {
  EXPECT_EQ(ToMarkdown(" -<g, d> and `<g> FIVES`, unended ` FIVES <\n"),
            "-\\<g, d> and `<g> FIVES`, unended ` FIVES <\n");
  EXPECT_EQ(ToTableCell(" ||a||,\n in\n\n two METHOD_FULL\n"), "\\|\\|a\\|\\|, in two `METHOD_FULL`");
}

TEST(CommentsTest, AbbreviationsAreNoCode) {
  EXPECT_EQ(ToMarkdown(" SHA-256, IEEE, FLOPs, OPT_2B\n"), "SHA-256, IEEE, FLOPs, OPT_2B\n");
}

TEST(CommentsTest, FindsTheFirstSentence) {
  EXPECT_EQ(FirstSentence(" One of 2.5\n lines. Another.\n"), "One of 2.5 lines.");
  EXPECT_EQ(FirstSentence(" One.\n"), "One.");
}

}  // namespace
}  // namespace greenplan
