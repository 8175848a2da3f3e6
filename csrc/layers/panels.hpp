// A block of a few rows of A times one panel of B stays in registers while it is summed along k.  B is packed in the
// order of its use, so that it is read from its first byte to its last: DEPTH rows of it, of these panel by panel.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "layers/matrix_product.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {

// rows of a block, such that its sums fit the registers beside what they are made of: 32 of 64 bytes, 16 of 32, or of 16,
// where a panel is narrower, or 32 of 16
constexpr int ROWS = VECTOR_BYTES == 64 ? 8 : VECTOR_BYTES == 32 ? 3 : NARROW ? 4 : 1;
// rows of a panel that fit an L1 cache beside their rows of A
constexpr std::int64_t DEPTH = 256;
constexpr std::size_t LINE = 64;

// Where B[i, j] lies.
constexpr std::int64_t in_order_of_panels(std::int64_t i, std::int64_t j, std::int64_t k, std::int64_t n) {
    const std::int64_t deep = i / DEPTH * DEPTH, depth = std::min(DEPTH, k - deep);
    return deep * in_panels(n) + j / PANEL * PANEL * depth + (i - deep) * PANEL + j % PANEL;
}

// What comes next of B, which comes from afar, and how many bytes of it a step of a block fetches into the cache.
struct Ahead {
    const char* next;
    std::int64_t bytes;

    void fetch() {
        __builtin_prefetch(next);
        next += bytes;
    }
};

// Ask for rows of A, each of `depth` of its k numbers.
template <class Number>
void fetch_rows(const Number* a, std::int64_t k, std::int64_t rows, std::int64_t depth) {
    for (std::int64_t row = 0; row < rows; ++row)
        for (std::int64_t i = 0; i < depth; i += LINE / sizeof(Number)) __builtin_prefetch(a + row * k + i);
}

// C (m, columns) = A (m, k) B
//
// Blocks    multiply<rows>(a, k, panel, depth, ahead, first, c, stride): some rows times (depth, PANEL), added to c
// Unpacked  what they take a panel as
// Stored    what B is packed as
template <class Blocks, class Unpacked, class Number, class Stored>
void multiply_panels(const Number* a, const Stored* b, std::int64_t m, std::int64_t k, std::int64_t columns, float* c) {
    alignas(LINE) Unpacked unpacked[std::is_same_v<Stored, Unpacked> ? 1 : DEPTH * PANEL];
    for (std::int64_t deep = 0; deep < k; deep += DEPTH) {
        const std::int64_t depth = std::min(DEPTH, k - deep);
        for (std::int64_t column = 0; column < columns; column += PANEL, b += depth * PANEL) {
            const Unpacked* panel;
            if constexpr (std::is_same_v<Stored, Unpacked>) {
                panel = b;
            } else {
                to_floats(b, depth * PANEL, unpacked);
                panel = unpacked;
            }
            std::int64_t row = 0;
            const char* next = reinterpret_cast<const char*>(b + depth * PANEL);
            const auto blocks = [&](auto rows) {
                // each block its part of the next panel
                const std::int64_t ahead = std::min<std::int64_t>(LINE, PANEL * sizeof(Stored) * rows / m);
                for (; row + rows <= m; row += rows, next += ahead * depth) {
                    // the first panel finds A where a layer before left it, in rows too short to be foreseen
                    if (column == 0) fetch_rows(a + (row + rows) * k + deep, k, rows, depth);
                    Blocks::template multiply<rows>(a + row * k + deep, k, panel, depth, Ahead{next, ahead}, deep == 0,
                                                    c + row * columns + column, columns);
                }
            };
            blocks(std::integral_constant<int, ROWS>{});
            blocks(std::integral_constant<int, 1>{});
        }
    }
}

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
