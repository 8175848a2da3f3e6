#include "poisson.hpp"

#include <algorithm>

#include "vectors.hpp"

namespace faceinpaint {
namespace {

using V = Vector<float>;
constexpr std::int64_t STEP = LANES<float>;
// spans are whole vectors, of any processor
constexpr std::int64_t WIDE = 16;

// 1 at the red pixels of row y, those with an even y + x, and 0 at the black ones
V red_lanes(std::int64_t y) {
    V lanes;
    for (std::int64_t lane = 0; lane < STEP; ++lane) lanes[lane] = (lane + y) % 2 == 0;
    return lanes;
}

}  // namespace

// The last four rows of something that is computed row by row; zero outside their spans, above and below.
class Grid::Rows {
public:
    explicit Rows(std::int64_t pitch) : pitch_(pitch), numbers_(ROWS * (pitch + 2 * STEP)) {}

    float* operator[](std::int64_t y) { return numbers_.data() + (y & (ROWS - 1)) * (pitch_ + 2 * STEP) + STEP; }

    float* begin(std::int64_t y, const Span& span) {
        Span& held = spans_[y & (ROWS - 1)];
        std::fill((*this)[y] + held.first, (*this)[y] + held.last, 0.0f);
        held = span;
        return (*this)[y];
    }

private:
    static constexpr std::int64_t ROWS = 4;
    std::int64_t pitch_;
    std::vector<float> numbers_;
    Span spans_[ROWS];
};

Grid::Grid(std::int64_t holes, std::int64_t height, std::int64_t width, float across, float down)
    : holes_(holes),
      height_(height),
      width_(width),
      pitch_((width + WIDE) / WIDE * WIDE),
      across_(across),
      down_(down),
      inverse_diagonal_(holes * plane()),
      spans_(holes * height),
      neighbours_across_(pitch_, 2.0f) {
    neighbours_across_[0] -= 1;
    neighbours_across_[width - 1] -= 1;
}

void Grid::set(const std::vector<float>& missing, const std::vector<float>& ground) {
    for (std::int64_t row = 0; row < holes_ * height_; ++row) {
        const auto offset = row / height_ * plane() + (row % height_ + 1) * pitch_;
        const float *same = missing.data() + offset, *above = same - pitch_, *below = same + pitch_;
        const float* held = ground.data() + offset;
        float* to = inverse_diagonal_.data() + offset;
        bool any = false;
        for (std::int64_t x = 0; x < width_; ++x) {
            const float diagonal = down_ * (above[x] + below[x]) + across_ * (same[x - 1] + same[x + 1]) + held[x];
            to[x] = same[x] != 0 ? 1 / diagonal : 0;
            any |= same[x] != 0;
        }
        if (!any) continue;
        std::int64_t first = 0, last = width_;
        while (same[first] == 0) ++first;
        while (same[last - 1] == 0) --last;
        spans_[row] = {first / WIDE * WIDE, (last + WIDE - 1) / WIDE * WIDE};
    }
}

std::vector<Grid> Grid::levels(const std::uint8_t* holes, std::int64_t count, std::int64_t height,
                               std::int64_t width) {
    std::vector<Grid> grids;
    grids.push_back({count, height, width, 1, 1});
    std::vector<float> missing(count * grids[0].plane()), ground(count * grids[0].plane());
    const auto pitch = grids[0].pitch_;
    for (std::int64_t row = 0; row < count * height; ++row) {
        float* to = missing.data() + row / height * grids[0].plane() + (row % height + 1) * pitch;
        for (std::int64_t x = 0; x < width; ++x) to[x] = holes[row * width + x] != 0;
    }
    for (std::int64_t row = 0; row < count * height; ++row) {
        const auto y = row % height, offset = row / height * grids[0].plane() + (y + 1) * pitch;
        const float *same = missing.data() + offset, *above = same - pitch, *below = same + pitch;
        const float down = (y > 0) + (y < height - 1);
        float* to = ground.data() + offset;
        for (std::int64_t x = 0; x < width; ++x)
            to[x] = same[x] * (down + grids[0].neighbours_across_[x] - (above[x] + below[x]) -
                               (same[x - 1] + same[x + 1]));
    }
    grids[0].set(missing, ground);
    while (grids.back().height_ > 1 || grids.back().width_ > 1) {
        const Grid& fine = grids.back();
        // a single row or column has no neighbours that a coarse edge could stand for
        Grid coarse(count, (fine.height_ + 1) / 2, (fine.width_ + 1) / 2, fine.across_ * (fine.height_ == 1 ? 0.5f : 1),
                    fine.down_ * (fine.width_ == 1 ? 0.5f : 1));
        std::vector<float> coarse_missing(count * coarse.plane()), coarse_ground(count * coarse.plane());
        std::vector<float> sums(fine.width_ + 3);
        for (std::int64_t row = 0; row < count * coarse.height_; ++row) {
            const auto hole = row / coarse.height_, y = row % coarse.height_;
            const auto offset = hole * fine.plane() + (2 * y + 1) * fine.pitch_;
            const float *same = ground.data() + offset, *above = same - fine.pitch_, *below = same + fine.pitch_;
            // the only coarse row that the image's last one has takes all of it
            const float share = 2 * y + 2 == fine.height_ ? 1.0f : 0.5f;
            for (std::int64_t x = 0; x < fine.width_; ++x) sums[x + 1] = same[x] + (0.5f * above[x] + share * below[x]);
            if (fine.width_ % 2 == 0) sums[fine.width_] *= 2;
            const auto to = hole * coarse.plane() + (y + 1) * coarse.pitch_;
            for (std::int64_t x = 0; x < coarse.width_; ++x) {
                const float held = sums[2 * x + 1] + 0.5f * (sums[2 * x] + sums[2 * x + 2]);
                const float unknown = missing[offset + 2 * x];
                coarse_missing[to + x] = unknown;
                coarse_ground[to + x] = unknown * held;
            }
        }
        coarse.set(coarse_missing, coarse_ground);
        missing.swap(coarse_missing);
        ground.swap(coarse_ground);
        grids.push_back(std::move(coarse));
    }
    return grids;
}

const float* Grid::inverse(std::int64_t plane, std::int64_t planes, std::int64_t y) const {
    return inverse_diagonal_.data() + plane * holes_ / planes * this->plane() + (y + 1) * pitch_;
}

const Grid::Span& Grid::span(std::int64_t plane, std::int64_t planes, std::int64_t y) const {
    return spans_[plane * holes_ / planes * height_ + y];
}

// k times the neighbours in their rows
static V neighbours(const float* above, const float* row, const float* below, V across, V down) {
    return down * (load(above) + load(below)) + across * (load(row - 1) + load(row + 1));
}

void Grid::restrict(const float* b, std::int64_t planes, const Grid& coarse, float* coarse_b) const {
    Rows red(pitch_), black(pitch_), left(pitch_);
    const V across = V{} + across_, down = V{} + down_;
    for (std::int64_t plane = 0; plane < planes; ++plane) {
        const float* of_b = b + plane * this->plane() + pitch_;
        float* to = coarse_b + plane * coarse.plane() + coarse.pitch_;
        // row y of the reds, y - 1 of the blacks, which need the reds around, y - 2 of what is left, at the reds
        for (std::int64_t y = 0; y < height_ + 2; ++y) {
            if (y < height_) {
                const auto [first, last] = span(plane, planes, y);
                const float *inverse = this->inverse(plane, planes, y), *row = of_b + y * pitch_;
                float* out = red.begin(y, {first, last});
                const V lanes = red_lanes(y);
                for (auto x = first; x < last; x += STEP) store(lanes * load(inverse + x) * load(row + x), out + x);
            } else {
                red.begin(y, {});
            }
            if (const auto yb = y - 1; yb >= 0 && yb < height_) {
                const auto [first, last] = span(plane, planes, yb);
                const float *inverse = this->inverse(plane, planes, yb), *row = of_b + yb * pitch_;
                const float *above = red[yb - 1], *same = red[yb], *below = red[yb + 1];
                float* out = black.begin(yb, {first, last});
                const V lanes = red_lanes(yb + 1);
                for (auto x = first; x < last; x += STEP)
                    store(lanes * load(inverse + x) *
                              (load(row + x) + neighbours(above + x, same + x, below + x, across, down)),
                          out + x);
            } else {
                black.begin(yb, {});
            }
            const auto yl = y - 2;
            if (yl < 0) continue;
            {
                const auto [first, last] = span(plane, planes, yl);
                const float* inverse = this->inverse(plane, planes, yl);
                const float *above = black[yl - 1], *same = black[yl], *below = black[yl + 1];
                float* out = left.begin(yl, {first, last});
                // beyond the image's last row there is no coarse one to share with
                const bool alone = yl % 2 == 1 && yl == height_ - 1;
                const V lanes = red_lanes(yl) * (alone ? 2.0f : 1.0f), none{};
                for (auto x = first; x < last; x += STEP)
                    store(load(inverse + x) != 0 ? lanes * neighbours(above + x, same + x, below + x, across, down)
                                                 : none,
                          out + x);
                if (width_ % 2 == 0) out[width_ - 1] *= 2;
            }
            if (yl % 2 == 0) {
                if (yl < height_ - 1) continue;
                left.begin(height_, {});
            }
            const auto [first, last] = coarse.span(plane, planes, yl / 2);
            const float *centre = left[yl / 2 * 2], *above = left[yl / 2 * 2 - 1], *below = left[yl / 2 * 2 + 1];
            float* out = to + yl / 2 * coarse.pitch_;
            for (auto x = first; x < std::min(last, coarse.width_); ++x)
                out[x] = centre[2 * x] + 0.25f * ((above[2 * x - 1] + above[2 * x + 1]) +
                                                  (below[2 * x - 1] + below[2 * x + 1]));
        }
        // the next plane begins with zeros above it
        for (std::int64_t y = 0; y < 4; ++y) red.begin(y, {}), black.begin(y, {}), left.begin(y, {});
    }
}

void Grid::correct(const float* b, std::int64_t planes, const Grid* coarse, const float* coarse_u, float* u,
                   double* products, float* largest) const {
    Rows red(pitch_), black(pitch_), added(pitch_ + 16);
    const V across = V{} + across_, down = V{} + down_;
    for (std::int64_t plane = 0; plane < planes; ++plane) {
        const float* of_b = b + plane * this->plane() + pitch_;
        float* to = u + plane * this->plane() + pitch_;
        const float* coarse_plane = coarse ? coarse_u + plane * coarse->plane() + coarse->pitch_ : nullptr;
        Sum<float> product;
        V most{};
        for (std::int64_t y = 0; y < height_ + 2; ++y) {
            if (y < height_) {
                const auto [first, last] = span(plane, planes, y);
                const float *inverse = this->inverse(plane, planes, y), *row = of_b + y * pitch_;
                float* out = red.begin(y, {first, last});
                float* more = added[0];
                if (coarse) {
                    const float* above = coarse_plane + y / 2 * coarse->pitch_;
                    const auto begin = first / 2, end = std::min(last / 2, coarse->width_);
                    if (y % 2 == 0) {
                        for (auto x = begin; x < end; ++x) more[2 * x] = above[x], more[2 * x + 1] = 0;
                    } else {
                        const float* below = above + coarse->pitch_;
                        const float share = y == height_ - 1 ? 0.5f : 0.25f;
                        for (auto x = begin; x < end; ++x) {
                            more[2 * x] = 0;
                            more[2 * x + 1] = share * ((above[x] + below[x]) + (above[x + 1] + below[x + 1]));
                        }
                        if (width_ % 2 == 0) more[width_ - 1] *= 2;
                    }
                }
                const V lanes = red_lanes(y), none{};
                for (auto x = first; x < last; x += STEP) {
                    const V scale = load(inverse + x);
                    store(lanes * (scale * load(row + x) + (scale != 0 ? load(more + x) : none)), out + x);
                }
            } else {
                red.begin(y, {});
            }
            if (const auto yb = y - 1; yb >= 0 && yb < height_) {
                const auto [first, last] = span(plane, planes, yb);
                const float *inverse = this->inverse(plane, planes, yb), *row = of_b + yb * pitch_;
                const float *above = red[yb - 1], *same = red[yb], *below = red[yb + 1];
                float* out = black.begin(yb, {first, last});
                const V lanes = red_lanes(yb + 1);
                for (auto x = first; x < last; x += STEP)
                    store(lanes * load(inverse + x) *
                              (load(row + x) + neighbours(above + x, same + x, below + x, across, down)),
                          out + x);
            } else {
                black.begin(yb, {});
            }
            const auto yr = y - 2;
            if (yr < 0) continue;
            const auto [first, last] = span(plane, planes, yr);
            const float *inverse = this->inverse(plane, planes, yr), *row = of_b + yr * pitch_;
            const float *above = black[yr - 1], *same = black[yr], *below = black[yr + 1];
            float* out = to + yr * pitch_;
            const V lanes = red_lanes(yr);
            for (auto x = first; x < last; x += STEP) {
                const V right = load(row + x);
                const V found = load(same + x) + lanes * load(inverse + x) *
                                                     (right + neighbours(above + x, same + x, below + x, across, down));
                product.add(right * found);
                const V size = absolute(found);
                most = size > most ? size : most;
                store(found, out + x);
            }
        }
        for (std::int64_t y = 0; y < 4; ++y) red.begin(y, {}), black.begin(y, {});
        products[plane] = product.total();
        largest[plane] = 0;
        for (std::int64_t lane = 0; lane < STEP; ++lane) largest[plane] = std::max(largest[plane], most[lane]);
    }
}

// The Laplacian of values that have so many neighbours; in double, since it is a small difference of theirs.
template <class T>
static Doubles laplacian(const T* values, std::int64_t pitch, const Doubles& neighbours) {
    return (load_doubles(values - pitch) + load_doubles(values + pitch)) +
           (load_doubles(values - 1) + load_doubles(values + 1)) - neighbours * load_doubles(values);
}

void Grid::direction(const float* z, const float* beta, std::int64_t planes, float* p, double* energies) const {
    for (std::int64_t plane = 0; plane < planes; ++plane) {
        const float* of_z = z + plane * this->plane() + pitch_;
        float* of_p = p + plane * this->plane() + pitch_;
        const V scale = V{} + beta[plane];
        Sum<float> energy;
        for (std::int64_t y = 0; y <= height_; ++y) {
            if (y < height_) {
                const auto [first, last] = span(plane, planes, y);
                float* row = of_p + y * pitch_;
                for (auto x = first; x < last; x += STEP)
                    store(load(of_z + y * pitch_ + x) + scale * load(row + x), row + x);
            }
            if (y == 0) continue;
            const auto [first, last] = span(plane, planes, y - 1);
            const float *row = of_p + (y - 1) * pitch_, *across = neighbours_across_.data();
            const float down = (y - 1 > 0) + (y < height_);
            const V one = V{} + 1;
            for (auto x = first; x < last; x += STEP)
                energy.add(load(row + x) * ((load(across + x) + down) * load(row + x) -
                                            neighbours(row + x - pitch_, row + x, row + x + pitch_, one, one)));
        }
        energies[plane] = energy.total();
    }
}

void Grid::advance(const float* p, const double* alpha, std::int64_t planes, double* f, float* r,
                   double* squares) const {
    for (std::int64_t plane = 0; plane < planes; ++plane) {
        const auto offset = plane * this->plane() + pitch_;
        const Doubles scale = Doubles{} + alpha[plane];
        const V none{};
        Sum<float> square;
        for (std::int64_t y = 0; y < height_; ++y) {
            const auto [first, last] = span(plane, planes, y);
            const float *inverse = this->inverse(plane, planes, y), *row = p + offset + y * pitch_;
            double* of_f = f + offset + y * pitch_;
            float* of_r = r + offset + y * pitch_;
            const double down = (y > 0) + (y < height_ - 1);
            for (auto x = first; x < last; x += STEP) {
                const Doubles neighbours = load_doubles(neighbours_across_.data() + x) + down;
                const Doubles left = load_doubles(of_r + x) + scale * laplacian(row + x, pitch_, neighbours);
                const V rounded = load(inverse + x) != 0 ? __builtin_convertvector(left, V) : none;
                store(load_doubles(of_f + x) + scale * load_doubles(row + x), of_f + x);
                store(rounded, of_r + x);
                square.add(rounded * rounded);
            }
        }
        squares[plane] = square.total();
    }
}

void Grid::residual(const double* f, const double* v, std::int64_t planes, float* r, double* squares) const {
    for (std::int64_t plane = 0; plane < planes; ++plane) {
        const auto offset = plane * this->plane() + pitch_;
        const V none{};
        Doubles sums{};
        for (std::int64_t y = 0; y < height_; ++y) {
            const auto [first, last] = span(plane, planes, y);
            const float* inverse = this->inverse(plane, planes, y);
            const double *row = f + offset + y * pitch_, *of_v = v ? v + offset + y * pitch_ : nullptr;
            float* of_r = r + offset + y * pitch_;
            const double down = (y > 0) + (y < height_ - 1);
            for (auto x = first; x < last; x += STEP) {
                Doubles left = laplacian(row + x, pitch_, load_doubles(neighbours_across_.data() + x) + down);
                if (of_v) left -= load_doubles(of_v + x);
                const V missing = load(inverse + x) != 0 ? none + 1 : none;
                left *= __builtin_convertvector(missing, Doubles);
                sums += left * left;
                store(__builtin_convertvector(left, V), of_r + x);
            }
        }
        squares[plane] = 0;
        for (std::int64_t lane = 0; lane < STEP; ++lane) squares[plane] += sums[lane];
    }
}

}  // namespace faceinpaint
