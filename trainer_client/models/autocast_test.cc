#include "trainer_client/models/autocast.h"

#include "ATen/ops/mm.h"
#include "ATen/ops/ones.h"
#include "gtest/gtest.h"

namespace greenplan::trainer {
namespace {

at::ScalarType TypeOfProduct() {
  const at::Tensor a = at::ones({2, 2}).requires_grad_(true);
  return at::mm(a, a).scalar_type();
}

TEST(AutocastScopeTest, CastsProductsUntilItsEnd) {
  EXPECT_EQ(TypeOfProduct(), at::kFloat);
  {
    const AutocastScope scope({.device = at::kCPU, .dtype = at::kBFloat16});
    EXPECT_EQ(TypeOfProduct(), at::kBFloat16);
    {
      const AutocastScope inner({.device = at::kCPU});
      EXPECT_EQ(TypeOfProduct(), at::kFloat);
      EXPECT_FALSE(Autocast::Current(at::kCPU).dtype.has_value());
    }
    EXPECT_EQ(Autocast::Current(at::kCPU).dtype, at::kBFloat16);
    EXPECT_EQ(TypeOfProduct(), at::kBFloat16);
  }
  EXPECT_EQ(TypeOfProduct(), at::kFloat);
}

TEST(AutocastScopeTest, ForgetsCopiesOfWeightsAtItsEnd) {
  at::Tensor weight = at::ones({2, 2}).requires_grad_(true);
  const at::Tensor x = at::ones({2, 2});
  const auto product = [&] {
    const AutocastScope scope({.device = at::kCPU, .dtype = at::kBFloat16});
    return at::mm(x, weight)[0][0].item<float>();
  };
  EXPECT_EQ(product(), 2);
  weight.data().fill_(3);
  EXPECT_EQ(product(), 6);
}

}  // namespace
}  // namespace greenplan::trainer
