#include "trainer_client/finetune/progress_bar.h"

#include <sstream>

#include "gtest/gtest.h"

namespace greenplan::trainer {
namespace {

TEST(ProgressBarTest, FillsWithWhatIsDone) {
  EXPECT_EQ(ProgressLine("epoch 1/3", 0, 8, 4), "epoch 1/3 [                        ] 0/8  loss 4.0000");
  EXPECT_EQ(ProgressLine("epoch 1/3", 4, 8, 3.5), "epoch 1/3 [===========>            ] 4/8  loss 3.5000");
  EXPECT_EQ(ProgressLine("epoch 1/3", 8, 8, 3), "epoch 1/3 [========================] 8/8  loss 3.0000");
}

TEST(ProgressBarTest, WritesNothingWhereItIsNotWanted) {
  std::ostringstream out;
  {
    ProgressBar bar(out, /*enabled=*/false);
    bar.Update("epoch", 1, 2, 3);
  }
  EXPECT_EQ(out.str(), "");
}

TEST(ProgressBarTest, WipesItsLineAtTheEnd) {
  std::ostringstream out;
  {
    ProgressBar bar(out, /*enabled=*/true);
    bar.Update("epoch", 1, 2, 3);
    EXPECT_NE(out.str().find("1/2"), std::string::npos);
  }
  EXPECT_TRUE(out.str().ends_with("\r\x1b[K"));
}

}  // namespace
}  // namespace greenplan::trainer
