#include "planner/core/exact_sum.h"

#include <algorithm>
#include <cmath>

namespace greenplan {

void ExactSum::AddProduct(double rate, int64_t cost) {
  if (rate == 0 || cost == 0) return;
  int exponent;
  // rate = mantissa * 2^(exponent - 53). frexp normalises subnormals, so that the bits below 2^-1074 are zeros.
  const auto mantissa = static_cast<uint64_t>(std::ldexp(std::frexp(rate, &exponent), 53));
  const unsigned __int128 product = static_cast<unsigned __int128>(mantissa) * static_cast<uint64_t>(cost);
  const int shift = exponent - 53 + 64 * kFractionWords;
  const int word = shift / 64;
  const int bits = shift % 64;
  AddAt(static_cast<uint64_t>(product << bits), word);
  AddAt(static_cast<uint64_t>((product << bits) >> 64), word + 1);
  if (bits > 0) AddAt(static_cast<uint64_t>(product >> (128 - bits)), word + 2);
}

void ExactSum::AddAt(uint64_t value, int word) {
  for (; value != 0; ++word) {
    words_[word] += value;
    value = words_[word] < value ? 1 : 0;
  }
}

int64_t ExactSum::Ceiling() const {
  const auto is_zero = [](uint64_t word) { return word == 0; };
  return Floor() + (std::all_of(words_.begin(), words_.begin() + kFractionWords, is_zero) ? 0 : 1);
}

double ExactSum::DistanceTo(int64_t value) const {
  double fraction = 0;
  for (int word = 0; word < kFractionWords; ++word) fraction = (fraction + static_cast<double>(words_[word])) * 0x1p-64;
  return static_cast<double>(value - Floor()) - fraction;
}

}  // namespace greenplan
