#ifndef GREENPLAN_TESTS_FUZZ_BYTE_READER_H_
#define GREENPLAN_TESTS_FUZZ_BYTE_READER_H_

#include <bit>
#include <cstddef>
#include <cstdint>

namespace greenplan {

// Reads a fuzzer's input as a sequence of choices. After the last byte every read returns 0, so each input is valid.
class ByteReader {
 public:
  // Does not copy the input, which must outlive this.
  ByteReader(const uint8_t* data, size_t size) : data_(data), size_(size) {}

  uint8_t Byte() { return at_ < size_ ? data_[at_++] : 0; }

  // In [0, bound). REQUIRES: 0 < bound <= 256.
  int Below(int bound) { return Byte() % bound; }

  bool Flag() { return (Byte() & 1) != 0; }

  uint64_t Bits() {
    uint64_t bits = 0;
    for (int i = 0; i < 8; ++i) bits = bits << 8 | Byte();
    return bits;
  }

  // Any double, infinities and NaN included.
  double AnyDouble() { return std::bit_cast<double>(Bits()); }

 private:
  const uint8_t* data_;
  size_t size_;
  size_t at_ = 0;
};

}  // namespace greenplan

#endif  // GREENPLAN_TESTS_FUZZ_BYTE_READER_H_
