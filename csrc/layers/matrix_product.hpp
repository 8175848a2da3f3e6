// C = A B, where B, the weights, is packed once and A has few rows: from 16, one image of 4x4 pixels, to hundreds.
//
// With 16 rows each number of B is used 16 times only, and the limit is how fast it streams in: packed, it lies in the
// order of its use, in half precision if that loses nothing, as with weights that were kept in it.  Each number of C is
// a sum along k in one fixed order, whatever its row and whatever the other rows are: an image's result does not depend
// on its place in a batch.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>

#include "layers/numbers.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {

// Columns of C are computed this many at a time, and a row of C is as long as whole panels.  Where registers are few and
// small, the sums of 32 in one row would fill them, and each number of B be read for one product.
constexpr std::int64_t PANEL = NARROW ? 8 : 32;
constexpr std::int64_t in_panels(std::int64_t columns) { return (columns + PANEL - 1) / PANEL * PANEL; }

// B (k, n), with columns of zeros up to whole panels.
template <class Number>
class PackedMatrix {
public:
    // Row-major numbers, each rounded to a Number.  rows_of_16: A will have 16 rows or more, best a multiple.
    PackedMatrix(const float* numbers, std::int64_t k, std::int64_t n, bool rows_of_16);

    // C (m, in_panels(n)) = A (m, k) B, row-major.
    void multiply(const Number* a, std::int64_t m, float* c) const;

    std::int64_t k() const { return k_; }
    std::int64_t n() const { return n_; }

private:
    // as Numbers; as half precision, if that holds all of them exactly; in pairs, or for the processor's matrix tiles
    enum class Order { NUMBERS, HALVES, PAIRS, TILES };
    struct Free {
        void operator()(void* memory) const { std::free(memory); }
    };

    std::int64_t k_, n_;
    Order order_;
    std::unique_ptr<void, Free> packed_;
};

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
