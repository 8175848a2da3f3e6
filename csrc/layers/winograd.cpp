// Enough images at a time for products of many rows, since the weights are read anew for each, and so few that the
// products stay near an L2 cache until they are summed.  What goes into a product is made just before it.
#include "layers/winograd.hpp"

#include <algorithm>

#include "parallel.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {
namespace {

// products along an axis
constexpr int POINTS = 3;
// rows of a product, as nearly as whole images allow
constexpr std::int64_t ROWS = 64;

// What phase p's product q multiplies by: g0, g0 + g1 or g1.  weight(k): tap k
template <class Weight>
float transformed_tap(int q, int p, const Weight& weight) {
    if (q == 1) return weight(1 - p) + weight(3 - p);
    return weight(q == 0 ? 1 - p : 3 - p);
}

// (depth, 4 channels) for product `point`, from weights (depth, 16 channels)
std::vector<float> transformed(const float* weights, std::int64_t depth, std::int64_t channels, int point) {
    std::vector<float> numbers;
    numbers.reserve(depth * 4 * channels);
    for (std::int64_t row = 0; row < depth; ++row)
        for (int phase = 0; phase < 4; ++phase)
            for (std::int64_t channel = 0; channel < channels; ++channel)
                numbers.push_back(transformed_tap(point / POINTS, phase / 2, [&](int ky) {
                    return transformed_tap(point % POINTS, phase % 2, [&](int kx) {
                        return weights[(row * 16 + ky * 4 + kx) * channels + channel];
                    });
                }));
    return numbers;
}

std::vector<float> transposed(const std::vector<float>& numbers, std::int64_t rows, std::int64_t columns) {
    std::vector<float> result(numbers.size());
    for (std::int64_t i = 0; i < rows; ++i)
        for (std::int64_t j = 0; j < columns; ++j) result[j * rows + i] = numbers[i * columns + j];
    return result;
}

// 2x2 pixels of an image's half, and the pixels of the image that they stand for, 4x4.
struct Tile {
    std::int64_t image, y, x;
};

// The products of a run of images.
struct Products {
    std::int64_t begin, end;
    // of tiles, in an image
    std::int64_t rows, columns;
    // (3, 3, tiles, length)
    std::int64_t length;
    const float* numbers;

    std::int64_t tiles() const { return (end - begin) * rows * columns; }
    Tile tile(std::int64_t i) const { return {begin + i / (rows * columns), i / columns % rows, i % columns}; }
    const float* at(int qy, int qx, Tile tile) const {
        const std::int64_t i = ((tile.image - begin) * rows + tile.y) * columns + tile.x;
        return numbers + ((qy * POINTS + qx) * tiles() + i) * length;
    }
};

// transform(qy, qx, tile, out) makes a row of a product, combine(products) sums what came out of them.
template <class Transform, class Combine>
void multiply_transformed(const std::vector<PackedMatrix<float>>& matrices, const Halving& shape, int threads,
                          const Transform& transform, const Combine& combine) {
    const std::int64_t rows = shape.height / 2, columns = shape.width / 2;
    const std::int64_t k = matrices[0].k(), length = in_panels(matrices[0].n());
    parallel_runs(shape.count, threads, [&](std::int64_t first, std::int64_t last) {
        const std::int64_t images = last - first, area = rows * columns;
        const std::int64_t runs = std::clamp<std::int64_t>((images * area + ROWS / 2) / ROWS, 1, images);
        const std::int64_t most = (images + runs - 1) / runs * area;
        const auto inputs = fresh<float>(most * k), outputs = fresh<float>(POINTS * POINTS * most * length);
        for (std::int64_t run = 0; run < runs; ++run) {
            const std::int64_t begin = first + images * run / runs, end = first + images * (run + 1) / runs;
            const Products products{begin, end, rows, columns, length, outputs.get()};
            const std::int64_t tiles = products.tiles();
            for (int point = 0; point < POINTS * POINTS; ++point) {
                for (std::int64_t i = 0; i < tiles; ++i)
                    transform(point / POINTS, point % POINTS, products.tile(i), inputs.get() + i * k);
                matrices[point].multiply(inputs.get(), tiles, outputs.get() + point * tiles * length);
            }
            combine(products);
        }
    });
}

// to = (a - b) - (c - d)
void subtract(const float* __restrict a, const float* __restrict b, const float* __restrict c,
              const float* __restrict d, std::int64_t size, float* __restrict to) {
    for (std::int64_t i = 0; i < size; ++i) to[i] = (a[i] - b[i]) - (c[i] - d[i]);
}

void add(const float* __restrict a, const float* __restrict b, const float* __restrict c, const float* __restrict d,
         std::int64_t size, float* __restrict to) {
    for (std::int64_t i = 0; i < size; ++i) to[i] = (a[i] + b[i]) + (c[i] + d[i]);
}

// Sums the products of one image, row by row of it.  Row 4 t + r: along either axis r = 1 and r = 2 are the middle of
// phases 1 and 0 of tile t, m1 - m0 - m2; r = 0 is where phase 0 of t begins and that of t - 1 ends, and r = 3 where
// phase 1 of t ends and that of t + 1 begins.
class Folding {
public:
    Folding(const Products& products, std::int64_t channels, Finish<float> finish)
        : products_(products),
          channels_(channels),
          finish_(finish),
          line_(POINTS * products.columns * 2 * channels),
          zeros_(2 * channels) {}

    void fold(std::int64_t image, std::int64_t y, float* images) {
        for (int qx = 0; qx < POINTS; ++qx)
            for (std::int64_t x = 0; x < products_.columns; ++x) sum_rows(image, y, qx, x);
        std::int64_t to = (image * 4 * products_.rows + y) * 4 * products_.columns * channels_;
        const auto next = [&](const auto& sum) {
            finish_row(sum, channels_, finish_, to, images);
            to += channels_;
        };
        for (std::int64_t x = 0; x < products_.columns; ++x) {
            const float *even[POINTS], *odd[POINTS];
            for (int q = 0; q < POINTS; ++q) {
                even[q] = line(q, x);
                odd[q] = even[q] + channels_;
            }
            const float* left = x > 0 ? line(2, x - 1) : zeros_.data();
            const float* right = x + 1 < products_.columns ? line(0, x + 1) + channels_ : zeros_.data();
            next([=](std::int64_t i) { return even[0][i] + left[i]; });
            next([=](std::int64_t i) { return odd[1][i] - (odd[0][i] + odd[2][i]); });
            next([=](std::int64_t i) { return even[1][i] - (even[0][i] + even[2][i]); });
            next([=](std::int64_t i) { return odd[2][i] + right[i]; });
        }
    }

private:
    float* line(int qx, std::int64_t x) { return line_.data() + (qx * products_.columns + x) * 2 * channels_; }

    void sum_rows(std::int64_t image, std::int64_t y, int qx, std::int64_t x) {
        const std::int64_t tile = y / 4, r = y % 4, size = 2 * channels_;
        const std::int64_t phase = r == 0 || r == 2 ? 0 : size;
        const auto product = [&](int qy, std::int64_t of) { return products_.at(qy, qx, {image, of, x}) + phase; };
        float* __restrict sums = line(qx, x);
        if (r == 1 || r == 2) {
            const float *m0 = product(0, tile), *m1 = product(1, tile), *m2 = product(2, tile);
            for (std::int64_t i = 0; i < size; ++i) sums[i] = m1[i] - (m0[i] + m2[i]);
        } else {
            const int end = r == 0 ? 0 : 2;
            const std::int64_t beside = r == 0 ? tile - 1 : tile + 1;
            const float* here = product(end, tile);
            const float* there = beside >= 0 && beside < products_.rows ? product(2 - end, beside) : zeros_.data();
            for (std::int64_t i = 0; i < size; ++i) sums[i] = here[i] + there[i];
        }
    }

    const Products& products_;
    std::int64_t channels_;
    Finish<float> finish_;
    // (3, tiles, px, channels): the sums over rows
    std::vector<float> line_;
    std::vector<float> zeros_;
};

}  // namespace

WinogradHalving::WinogradHalving(const float* weights, std::int64_t depth, std::int64_t channels) {
    for (int point = 0; point < POINTS * POINTS; ++point) {
        const auto numbers = transposed(transformed(weights, depth, channels, point), depth, 4 * channels);
        matrices_.emplace_back(numbers.data(), 4 * channels, depth, false);
    }
}

WinogradDoubling::WinogradDoubling(const float* weights, std::int64_t depth, std::int64_t channels) {
    for (int point = 0; point < POINTS * POINTS; ++point)
        matrices_.emplace_back(transformed(weights, depth, channels, point).data(), depth, 4 * channels, false);
}

void WinogradHalving::operator()(const float* images, Halving shape, Finish<float> finish, int threads,
                                 float* half) const {
    const std::int64_t channels = shape.channels, height = 2 * shape.height, width = 2 * shape.width;
    const std::vector<float> nothing(channels);

    const auto transform = [&](int qy, int qx, Tile tile, float* out) {
        const auto pixel = [&](std::int64_t y, std::int64_t x) {
            const bool inside = y >= 0 && y < height && x >= 0 && x < width;
            return inside ? images + ((tile.image * height + y) * width + x) * channels : nothing.data();
        };
        for (int phase = 0; phase < 4; ++phase, out += channels) {
            // of d0, d1 and d2 the one in the middle, which the other two's products subtract
            const std::int64_t y = 4 * tile.y - phase / 2 + 2, x = 4 * tile.x - phase % 2 + 2;
            const std::int64_t from_y = y + 2 * (qy - 1), from_x = x + 2 * (qx - 1);
            subtract(pixel(from_y, from_x), qx == 1 ? nothing.data() : pixel(from_y, x),
                     qy == 1 ? nothing.data() : pixel(y, from_x),
                     qy == 1 || qx == 1 ? nothing.data() : pixel(y, x), channels, out);
        }
    };
    const auto combine = [&](const Products& products) {
        for (std::int64_t i = 0; i < products.tiles(); ++i) {
            const Tile tile = products.tile(i);
            for (int y = 0; y < 2; ++y)
                for (int x = 0; x < 2; ++x) {
                    const float *a = products.at(y, x, tile), *b = products.at(y, x + 1, tile);
                    const float *c = products.at(y + 1, x, tile), *d = products.at(y + 1, x + 1, tile);
                    const std::int64_t row = tile.image * shape.height + 2 * tile.y + y;
                    finish_row([=](std::int64_t j) { return (a[j] + b[j]) + (c[j] + d[j]); }, shape.depth, finish,
                               (row * shape.width + 2 * tile.x + x) * shape.depth, half);
                }
        }
    };
    multiply_transformed(matrices_, shape, threads, transform, combine);
}

void WinogradDoubling::operator()(const float* half, Halving shape, Finish<float> finish, int threads,
                                  float* images) const {
    const std::vector<float> nothing(shape.depth);

    const auto transform = [&](int qy, int qx, Tile tile, float* out) {
        const auto pixel = [&](int y, int x) {
            const std::int64_t row = tile.image * shape.height + 2 * tile.y + y;
            return half + (row * shape.width + 2 * tile.x + x) * shape.depth;
        };
        const int y = qy / 2, x = qx / 2;
        add(pixel(y, x), qx == 1 ? pixel(y, 1) : nothing.data(), qy == 1 ? pixel(1, x) : nothing.data(),
            qy == 1 && qx == 1 ? pixel(1, 1) : nothing.data(), shape.depth, out);
    };
    const auto combine = [&](const Products& products) {
        Folding folding(products, shape.channels, finish);
        for (std::int64_t image = products.begin; image < products.end; ++image)
            for (std::int64_t y = 0; y < 2 * shape.height; ++y) folding.fold(image, y, images);
    };
    multiply_transformed(matrices_, shape, threads, transform, combine);
}

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
