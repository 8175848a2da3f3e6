// A block of a few rows of A times one panel of B stays in registers while it is summed along k.  B is packed in the
// order of its use, so that it is read from its first byte to its last: DEPTH rows of it, of these panel by panel.
#include "layers/matrix_product.hpp"

#include <algorithm>
#include <new>
#include <type_traits>

#include "vectors.hpp"

#ifdef __F16C__
#include <immintrin.h>
#endif

#if defined(__AMX_BF16__) && defined(__linux__)
#define FACEINPAINT_TILES
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

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

// A number of half precision.
struct Half {
    std::uint16_t bits;
};

using faceinpaint::narrow;
#ifdef __F16C__
bool are_halves(const float* numbers, std::int64_t count) {
    return std::all_of(numbers, numbers + count, [](float x) { return _cvtsh_ss(_cvtss_sh(x, 0)) == x; });
}
void narrow(float number, Half& to) { to.bits = _cvtss_sh(number, 0); }
void unpack(const Half* from, std::int64_t count, float* to) {
#ifdef __AVX512F__
    for (std::int64_t i = 0; i < count; i += 16)
        _mm512_storeu_ps(to + i, _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + i))));
#else
    for (std::int64_t i = 0; i < count; i += 8)
        _mm256_storeu_ps(to + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i))));
#endif
}
#else
// a processor that does not convert them is faster without
bool are_halves(const float*, std::int64_t) { return false; }
void narrow(float, Half&) {}
void unpack(const Half*, std::int64_t, float*) {}
#endif

void unpack(const BFloat16* from, std::int64_t count, float* to) {
    for (std::int64_t i = 0; i < count; ++i) to[i] = widened(from[i]);
}

// c (rows of `stride`) += or, at the first, = a (rows of `k`) b (depth, PANEL).  On the way it fetches what comes next of
// B into the cache, `ahead` bytes a step: that comes from afar.
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
            for (int v = 0; v < VECTORS; ++v) sums[row][v] += numbers[v] * widened(a[row * k + i]);
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
                unpack(b, depth * PANEL, unpacked);
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

#ifdef FACEINPAINT_TILES

// A tile is 16 rows of 64 bytes: of C 16x16 floats, of A 16x32 numbers, of B 32x16, as pairs along k beside each other.
constexpr std::int64_t TILE = 16, PAIRS = 2 * TILE;
constexpr std::int64_t TILE_OF_B = PAIRS * TILE;

// Linux lets a process use tiles once it has asked.
bool may_use_tiles() {
    constexpr int ARCH_REQ_XCOMP_PERM = 0x1023, XTILEDATA = 18;
    static const bool granted = syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XTILEDATA) == 0;
    return granted;
}

// The calling thread's tiles, all of full size.
class Tiles {
public:
    Tiles() {
        struct alignas(LINE) {
            std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
            std::uint16_t row_bytes[16] = {LINE, LINE, LINE, LINE, LINE, LINE, LINE, LINE};
            std::uint8_t rows[16] = {TILE, TILE, TILE, TILE, TILE, TILE, TILE, TILE};
        } shape;
        _tile_loadconfig(&shape);
    }
    ~Tiles() { _tile_release(); }
    Tiles(const Tiles&) = delete;
    Tiles& operator=(const Tiles&) = delete;
};

// 32 rows times a panel: four tiles of C, so that no sum waits for the one before it
void multiply_square(const BFloat16* a, std::int64_t k, const BFloat16* b, float* c, std::int64_t stride) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (std::int64_t i = 0; i < k; i += PAIRS, b += 2 * TILE_OF_B) {
        _tile_loadd(4, a + i, k * sizeof *a);
        _tile_loadd(5, a + TILE * k + i, k * sizeof *a);
        _tile_loadd(6, b, LINE);
        _tile_loadd(7, b + TILE_OF_B, LINE);
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    _tile_stored(0, c, stride * sizeof *c);
    _tile_stored(1, c + TILE, stride * sizeof *c);
    _tile_stored(2, c + TILE * stride, stride * sizeof *c);
    _tile_stored(3, c + TILE * stride + TILE, stride * sizeof *c);
}

// 16 rows times a panel: even and odd steps along k in tiles of their own, for the same reason, summed at the end
void multiply_row(const BFloat16* a, std::int64_t k, const BFloat16* b, float* c, std::int64_t stride) {
    _tile_zero(0);
    _tile_zero(1);
    for (std::int64_t i = 0; i < k; i += PAIRS, b += 2 * TILE_OF_B) {
        for (std::int64_t line = 0; line < 2 * TILE_OF_B; line += TILE * 2) __builtin_prefetch(b + 8 * TILE_OF_B + line);
        _tile_loadd(4, a + i, k * sizeof *a);
        _tile_loadd(6, b, LINE);
        _tile_loadd(7, b + TILE_OF_B, LINE);
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
    }
    _tile_stored(0, c, stride * sizeof *c);
    _tile_stored(1, c + TILE, stride * sizeof *c);
}

void multiply_tiles(const BFloat16* a, const BFloat16* b, std::int64_t m, std::int64_t k, std::int64_t columns,
                    float* c) {
    const Tiles tiles;
    for (std::int64_t column = 0; column < columns; column += PANEL) {
        const BFloat16* panel = b + column * k;
        std::int64_t row = 0;
        for (; row + 2 * TILE <= m; row += 2 * TILE)
            multiply_square(a + row * k, k, panel, c + row * columns + column, columns);
        for (; row < m; row += TILE) multiply_row(a + row * k, k, panel, c + row * columns + column, columns);
    }
}

#endif

// Where B[i, j] lies.
std::int64_t in_panel_order(std::int64_t i, std::int64_t j, std::int64_t k, std::int64_t n) {
    const std::int64_t deep = i / DEPTH * DEPTH, depth = std::min(DEPTH, k - deep);
    return deep * in_panels(n) + j / PANEL * PANEL * depth + (i - deep) * PANEL + j % PANEL;
}

#ifdef FACEINPAINT_TILES
std::int64_t in_tile_order(std::int64_t i, std::int64_t j, std::int64_t k, std::int64_t) {
    const std::int64_t pair_of_tiles = j / PANEL * (k / PAIRS) + i / PAIRS;
    return (2 * pair_of_tiles + j % PANEL / TILE) * TILE_OF_B + i % PAIRS / 2 * PAIRS + j % TILE * 2 + i % 2;
}
#endif

template <class Stored, class Place>
void* packed(const float* numbers, std::int64_t k, std::int64_t n, const Place& place) {
    void* memory = std::aligned_alloc(LINE, k * in_panels(n) * sizeof(Stored));
    if (!memory) throw std::bad_alloc();
    for (std::int64_t i = 0; i < k; ++i)
        for (std::int64_t j = 0; j < in_panels(n); ++j)
            narrow(j < n ? numbers[i * n + j] : 0.0F, static_cast<Stored*>(memory)[place(i, j, k, n)]);
    return memory;
}

}  // namespace

bool has_tiles() {
#ifdef FACEINPAINT_TILES
    return may_use_tiles();
#else
    return false;
#endif
}

template <class Number>
PackedMatrix<Number>::PackedMatrix(const float* numbers, std::int64_t k, std::int64_t n, bool rows_of_16)
    : k_(k), n_(n), order_(Order::NUMBERS) {
    constexpr bool floats = std::is_same_v<Number, float>;
#ifdef FACEINPAINT_TILES
    if (!floats && rows_of_16 && k % PAIRS == 0 && may_use_tiles()) {
        order_ = Order::TILES;
        packed_.reset(packed<Number>(numbers, k, n, in_tile_order));
        return;
    }
#else
    static_cast<void>(rows_of_16);
#endif
    if (floats && are_halves(numbers, k * n)) {
        order_ = Order::HALVES;
        packed_.reset(packed<Half>(numbers, k, n, in_panel_order));
    } else {
        packed_.reset(packed<Number>(numbers, k, n, in_panel_order));
    }
}

template <class Number>
void PackedMatrix<Number>::multiply(const Number* a, std::int64_t m, float* c) const {
    const std::int64_t columns = in_panels(n_);
#ifdef FACEINPAINT_TILES
    if constexpr (std::is_same_v<Number, BFloat16>)
        if (order_ == Order::TILES)
            return multiply_tiles(a, static_cast<const BFloat16*>(packed_.get()), m, k_, columns, c);
#endif
    if (order_ == Order::HALVES)
        multiply_panels(a, static_cast<const Half*>(packed_.get()), m, k_, columns, c);
    else
        multiply_panels(a, static_cast<const Number*>(packed_.get()), m, k_, columns, c);
}

template class PackedMatrix<float>;
template class PackedMatrix<BFloat16>;

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
