#include "layers/matrix_product.hpp"

#include <new>
#include <type_traits>

#include "layers/pairs.hpp"
#include "layers/panels.hpp"
#include "layers/tiles.hpp"
#include "vectors.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {
namespace {

constexpr int VECTORS = PANEL / LANES<float>;

using Floats = Vector<float>;

// c (rows of `stride`) += or, at the first, = a (rows of `k`) b (depth, PANEL)
struct FloatBlocks {
    template <int ROWS_HERE, class Number>
    static void multiply(const Number* __restrict a, std::int64_t k, const float* __restrict b, std::int64_t depth,
                         Ahead ahead, bool first, float* __restrict c, std::int64_t stride) {
        // from 0, not from what c holds: a sum of sums rounds less than one long one
        Floats sums[ROWS_HERE][VECTORS] = {};
        for (std::int64_t i = 0; i < depth; ++i, b += PANEL) {
            ahead.fetch();
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
};

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

template <class Number>
PackedMatrix<Number>::PackedMatrix(const float* numbers, std::int64_t k, std::int64_t n,
                                   [[maybe_unused]] bool rows_of_16)
    : k_(k), n_(n), order_(Order::NUMBERS) {
    if constexpr (TILES && std::is_same_v<Number, BFloat16>)
        if (rows_of_16 && k % TILE_DEPTH == 0) {
            order_ = Order::TILES;
            packed_.reset(packed<Number>(numbers, k, n, [=](auto i, auto j) { return in_tile_order(i, j, k); }));
            return;
        }
    const auto in_panel_order = [=](auto i, auto j) { return in_order_of_panels(i, j, k, n); };
    if constexpr (PAIRS && std::is_same_v<Number, BFloat16>)
        if (k % 2 == 0) {
            order_ = Order::PAIRS;
            packed_.reset(packed<Number>(numbers, k, n, [=](auto i, auto j) { return in_pair_order(i, j, k, n); }));
            return;
        }
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
    if constexpr (PAIRS && std::is_same_v<Number, BFloat16>)
        if (order_ == Order::PAIRS)
            return multiply_pairs(a, static_cast<const BFloat16*>(packed_.get()), m, k_, columns, c);
    if constexpr (HALVES && std::is_same_v<Number, float>)
        if (order_ == Order::HALVES)
            return multiply_panels<FloatBlocks, float>(a, static_cast<const Half*>(packed_.get()), m, k_, columns, c);
    multiply_panels<FloatBlocks, float>(a, static_cast<const Number*>(packed_.get()), m, k_, columns, c);
}

template class PackedMatrix<float>;
template class PackedMatrix<BFloat16>;

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
