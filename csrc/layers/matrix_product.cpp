// A block of a few rows of A times one panel of B stays in registers while it is summed along k.  B is packed in the
// order of its use, so that it is read from its first byte to its last: DEPTH rows of it, of these panel by panel.
#include "layers/matrix_product.hpp"

#include <algorithm>
#include <new>
#include <type_traits>

#include "layers/tiles.hpp"
#include "vectors.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {
namespace {

// rows of a block, such that its sums fit the registers: 32 of 64 bytes, 16 of 32, or of 16
constexpr int ROWS = VECTOR_BYTES == 64 ? 8 : VECTOR_BYTES == 32 ? 3 : 1;
constexpr int VECTORS = PANEL / LANES<float>;
// rows of a panel that fit an L1 cache beside their rows of A
constexpr std::int64_t DEPTH = 256;
constexpr std::size_t LINE = 64;

using Floats = Vector<float>;

// c (rows of `stride`) += or, at the first, = a (rows of `k`) b (depth, PANEL).  On the way it fetches what comes next
// of B into the cache, `ahead` bytes a step: that comes from afar.
template <int ROWS_HERE, class Number>
void multiply_block(const Number* __restrict a, std::int64_t k, const float* __restrict b, std::int64_t depth,
                    const char* next, std::int64_t ahead, bool first, float* __restrict c, std::int64_t stride) {
    // from 0, not from what c holds: a sum of sums rounds less than one long one
    Floats sums[ROWS_HERE][VECTORS] = {};
    for (std::int64_t i = 0; i < depth; ++i, b += PANEL, next += ahead) {
        __builtin_prefetch(next);
        Floats numbers[VECTORS];
        for (int v = 0; v < VECTORS; ++v) numbers[v] = load(b + v * LANES<float>);
        for (int row = 0; row < ROWS_HERE; ++row)
            for (int v = 0; v < VECTORS; ++v) sums[row][v] += numbers[v] * to_float(a[row * k + i]);
    }
    for (int row = 0; row < ROWS_HERE; ++row)
        for (int v = 0; v < VECTORS; ++v) {
            float* to = c + row * stride + v * LANES<float>;
            store(first ? sums[row][v] : load(to) + sums[row][v], to);
        }
}

// Ask for rows of A, each of `depth` of its k numbers.
template <class Number>
void fetch_rows(const Number* a, std::int64_t k, std::int64_t rows, std::int64_t depth) {
    for (std::int64_t row = 0; row < rows; ++row)
        for (std::int64_t i = 0; i < depth; i += LINE / sizeof(Number)) __builtin_prefetch(a + row * k + i);
}

// Stored  what B is packed as
template <class Number, class Stored>
void multiply_panels(const Number* a, const Stored* b, std::int64_t m, std::int64_t k, std::int64_t columns, float* c) {
    alignas(LINE) float unpacked[std::is_same_v<Stored, float> ? 1 : DEPTH * PANEL];
    for (std::int64_t deep = 0; deep < k; deep += DEPTH) {
        const std::int64_t depth = std::min(DEPTH, k - deep);
        for (std::int64_t column = 0; column < columns; column += PANEL, b += depth * PANEL) {
            const float* panel;
            if constexpr (std::is_same_v<Stored, float>) {
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
                    multiply_block<rows>(a + row * k + deep, k, panel, depth, next, ahead, deep == 0,
                                         c + row * columns + column, columns);
                }
            };
            blocks(std::integral_constant<int, ROWS>{});
            blocks(std::integral_constant<int, 1>{});
        }
    }
}

// place(i, j): where B[i, j] lies
template <class Stored, class Place>
void* packed(const float* numbers, std::int64_t k, std::int64_t n, const Place& place) {
    void* memory = std::aligned_alloc(LINE, k * in_panels(n) * sizeof(Stored));
    if (!memory) throw std::bad_alloc();
    for (std::int64_t i = 0; i < k; ++i)
        for (std::int64_t j = 0; j < in_panels(n); ++j)
            static_cast<Stored*>(memory)[place(i, j)] = round_to<Stored>(j < n ? numbers[i * n + j] : 0.0F);
    return memory;
}

}  // namespace

bool has_tiles() {
    if constexpr (TILES) return may_use_tiles();
    return false;
}

template <class Number>
PackedMatrix<Number>::PackedMatrix(const float* numbers, std::int64_t k, std::int64_t n,
                                   [[maybe_unused]] bool rows_of_16)
    : k_(k), n_(n), order_(Order::NUMBERS) {
    if constexpr (TILES && std::is_same_v<Number, BFloat16>)
        if (rows_of_16 && k % TILE_DEPTH == 0 && may_use_tiles()) {
            order_ = Order::TILES;
            packed_.reset(packed<Number>(numbers, k, n, [=](auto i, auto j) { return in_tile_order(i, j, k); }));
            return;
        }
    const auto in_panel_order = [=](std::int64_t i, std::int64_t j) {
        const std::int64_t deep = i / DEPTH * DEPTH, depth = std::min(DEPTH, k - deep);
        return deep * in_panels(n) + j / PANEL * PANEL * depth + (i - deep) * PANEL + j % PANEL;
    };
    if constexpr (HALVES && std::is_same_v<Number, float>)
        if (are_halves(numbers, k * n)) {
            order_ = Order::HALVES;
            packed_.reset(packed<Half>(numbers, k, n, in_panel_order));
            return;
        }
    packed_.reset(packed<Number>(numbers, k, n, in_panel_order));
}

template <class Number>
void PackedMatrix<Number>::multiply(const Number* a, std::int64_t m, float* c) const {
    const std::int64_t columns = in_panels(n_);
    if constexpr (TILES && std::is_same_v<Number, BFloat16>)
        if (order_ == Order::TILES)
            return multiply_tiles(a, static_cast<const BFloat16*>(packed_.get()), m, k_, columns, c);
    if constexpr (HALVES && std::is_same_v<Number, float>)
        if (order_ == Order::HALVES)
            return multiply_panels(a, static_cast<const Half*>(packed_.get()), m, k_, columns, c);
    multiply_panels(a, static_cast<const Number*>(packed_.get()), m, k_, columns, c);
}

template class PackedMatrix<float>;
template class PackedMatrix<BFloat16>;

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
