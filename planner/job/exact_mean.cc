#include "planner/job/exact_mean.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace greenplan {
namespace {

using uint128 = unsigned __int128;

// The exponent of the least bit of the sum.
constexpr int kUnitExponent = -1074;
constexpr int kMantissaBits = 53;

int BitLength(uint128 value) {
  const auto high = static_cast<uint64_t>(value >> 64);
  const auto low = static_cast<uint64_t>(value);
  if (high != 0) return 128 - __builtin_clzll(high);
  return low == 0 ? 0 : 64 - __builtin_clzll(low);
}

// quotient * 2^exponent, and whether that is all. If not, less than one unit of the quotient was cut off.
struct Quotient {
  uint128 quotient = 0;
  int exponent = 0;
  bool is_exact = true;
  int cut_to_half = -1;  // How what was cut off compares with half a unit: -1 below, 0 equal, 1 above.
};

// The nearest double, ties to even.
double Round(const Quotient& q) {
  const int excess = BitLength(q.quotient) - kMantissaBits;
  uint128 mantissa = q.quotient;
  int to_half = q.is_exact ? -1 : q.cut_to_half;
  if (excess > 0) {
    const uint128 half = uint128{1} << (excess - 1);
    const uint128 cut = mantissa & ((half << 1) - 1);
    mantissa >>= excess;
    to_half = cut > half || (cut == half && !q.is_exact) ? 1 : cut == half ? 0 : -1;
  }
  if (to_half > 0 || (to_half == 0 && (mantissa & 1) != 0)) ++mantissa;
  return std::ldexp(static_cast<double>(static_cast<uint64_t>(mantissa)), q.exponent + std::max(excess, 0));
}

}  // namespace

void ExactMean::Add(double value, int64_t weight) {
  total_weight_ += static_cast<uint64_t>(weight);
  if (value == 0) return;
  // The parts of an IEEE double. Both subnormal values and those of the least exponent count in units of the sum; all
  // but the former have a leading 1, which is not written.
  const auto representation = std::bit_cast<uint64_t>(value);
  const int exponent = static_cast<int>(representation >> (kMantissaBits - 1) & 0x7ff);
  const uint64_t leading_one = exponent == 0 ? 0 : uint64_t{1} << (kMantissaBits - 1);
  const uint64_t mantissa = (representation & ((uint64_t{1} << (kMantissaBits - 1)) - 1)) | leading_one;
  const int shift = std::max(exponent - 1, 0);
  const uint128 product = static_cast<uint128>(mantissa) * static_cast<uint64_t>(weight);
  const int word = shift / 64;
  const int bits = shift % 64;
  const uint64_t parts[] = {static_cast<uint64_t>(product << bits), static_cast<uint64_t>((product << bits) >> 64),
                            bits == 0 ? 0 : static_cast<uint64_t>(product >> (128 - bits))};
  uint64_t carry = 0;
  for (int i = word; i < kWords && (i < word + 3 || carry != 0); ++i) {
    const uint64_t part = i < word + 3 ? parts[i - word] : 0;
    uint128 result;
    if (value > 0) {
      result = static_cast<uint128>(sum_[i]) + part + carry;
      carry = static_cast<uint64_t>(result >> 64);
    } else {
      result = static_cast<uint128>(sum_[i]) - part - carry;
      carry = (result >> 64) != 0 ? 1 : 0;
    }
    sum_[i] = static_cast<uint64_t>(result);
  }
}

// Divides digit by digit in base 2^32, so that a remainder (below 2^94) and a digit fit into 128 bits. Stops once the
// quotient has enough bits to be rounded; of the rest only whether it is zero matters.
double ExactMean::Mean() const {
  if (total_weight_ == 0) return 0;
  std::array<uint64_t, kWords> magnitude = sum_;
  const bool is_negative = sum_.back() >> 63 != 0;
  if (is_negative) {
    uint64_t carry = 1;
    for (uint64_t& word : magnitude) {
      word = ~word + carry;
      carry = carry != 0 && word == 0 ? 1 : 0;
    }
  }
  const auto digit = [&](int i) { return static_cast<uint32_t>(magnitude[i / 2] >> (32 * (i % 2))); };
  int at = 2 * kWords - 1;
  while (at >= 0 && digit(at) == 0) --at;
  Quotient q;
  uint128 remainder = 0;
  for (; at >= 0 && BitLength(q.quotient) <= kMantissaBits + 1; --at) {
    remainder = remainder << 32 | digit(at);
    q.quotient = q.quotient << 32 | remainder / total_weight_;
    remainder %= total_weight_;
  }
  bool rest_is_zero = true;
  for (int i = at; i >= 0 && rest_is_zero; --i) rest_is_zero = digit(i) == 0;
  q.exponent = kUnitExponent + 32 * (at + 1);
  q.is_exact = remainder == 0 && rest_is_zero;
  // Of interest only if all digits were used, where the rest is the remainder alone.
  q.cut_to_half = 2 * remainder > total_weight_ ? 1 : 2 * remainder == total_weight_ ? 0 : -1;
  const double mean = Round(q);
  return is_negative && mean != 0 ? -mean : mean;
}

}  // namespace greenplan
