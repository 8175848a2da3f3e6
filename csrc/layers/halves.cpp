#include "level.hpp"

#if FACEINPAINT_HALVES

#include <immintrin.h>

#include <algorithm>

#include "layers/numbers.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {

template <>
Half round_to(float number) {
    return {_cvtss_sh(number, 0)};
}

bool are_halves(const float* numbers, std::int64_t count) {
    return std::all_of(numbers, numbers + count, [](float x) { return _cvtsh_ss(_cvtss_sh(x, 0)) == x; });
}

void to_floats(const Half* from, std::int64_t count, float* to) {
    if constexpr (VECTOR_BYTES == 64)
        for (std::int64_t i = 0; i < count; i += 16)
            _mm512_storeu_ps(to + i, _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + i))));
    else
        for (std::int64_t i = 0; i < count; i += 8)
            _mm256_storeu_ps(to + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i))));
}

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint

#endif
