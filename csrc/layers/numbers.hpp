// The formats that numbers are kept in: float, the upper half of one, and half precision, whose conversions are those of
// halves.cpp: it belongs to levels with HALVES, elsewhere nobody may call them.
#pragma once

#include <cstdint>
#include <cstring>

#include "level.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {

// The upper half of a float.
struct BFloat16 {
    std::uint16_t bits;
};

// A number of half precision.
struct Half {
    std::uint16_t bits;
};

inline float to_float(float number) { return number; }
inline float to_float(BFloat16 number) {
    const std::uint32_t bits = std::uint32_t{number.bits} << 16;
    float wide;
    std::memcpy(&wide, &bits, sizeof wide);
    return wide;
}

// The nearest number of that format, of two the even one; a NaN that arithmetic made stays one.
template <class Number>
Number round_to(float number);
template <>
inline float round_to(float number) {
    return number;
}
template <>
inline BFloat16 round_to(float number) {
    std::uint32_t bits;
    std::memcpy(&bits, &number, sizeof bits);
    return {static_cast<std::uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
}
template <>
Half round_to(float number);

// Whether half precision holds all of them exactly.
bool are_halves(const float* numbers, std::int64_t count);

// `count` numbers, of halves whole vectors.
void to_floats(const Half* from, std::int64_t count, float* to);
inline void to_floats(const BFloat16* from, std::int64_t count, float* to) {
    for (std::int64_t i = 0; i < count; ++i) to[i] = to_float(from[i]);
}

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
