#include "blend/poisson.hpp"

#include <algorithm>

#include "vectors.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {
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
        // what is written next covers the rest
        if (held.first < span.first || held.last > span.last)
            std::fill((*this)[y] + held.first, (*this)[y] + held.last, 0.0f);
        held = span;
        return (*this)[y];
    }

    void clear() {
        for (std::int64_t y = 0; y < ROWS; ++y) begin(y, {});
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
      left_(pitch_, 1.0f),
      right_(pitch_, 1.0f) {
    left_[0] = right_[width - 1] = 0;
}

void Grid::set(const std::vector<float>& missing, std::vector<float>& ground) {
    for (std::int64_t row = 0; row < holes_ * height_; ++row) {
        const auto y = row % height_, offset = row / height_ * plane() + (y + 1) * pitch_;
        const float *same = missing.data() + offset, *above = same - pitch_, *below = same + pitch_;
        float *held = ground.data() + offset, *to = inverse_diagonal_.data() + offset;
        const float down = down_ * ((y > 0) + (y < height_ - 1));
        bool any = false;
        for (std::int64_t x = 0; x < width_; ++x) {
            const float edges = down_ * (above[x] + below[x]) + across_ * (same[x - 1] + same[x + 1]);
            // at least an edge to each known neighbour
            const float known = down + across_ * (left_[x] + right_[x]) - edges;
            held[x] = same[x] * std::max(held[x], known);
            to[x] = same[x] != 0 ? 1 / (edges + held[x]) : 0;
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
                coarse_ground[to + x] = held;
            }
        }
        coarse.set(coarse_missing, coarse_ground);
        missing.swap(coarse_missing);
        ground.swap(coarse_ground);
        grids.push_back(std::move(coarse));
    }
    return grids;
}

Grid::Hole Grid::hole_of(std::int64_t plane, std::int64_t planes) const {
    const auto hole = plane * holes_ / planes;
    return {inverse_diagonal_.data() + hole * this->plane(), spans_.data() + hole * height_, pitch_};
}

// k times the neighbours in their rows
static V neighbours(const float* above, const float* row, const float* below, V across, V down) {
    return down * (load(above) + load(below)) + across * (load(row - 1) + load(row + 1));
}

// The blacks of row y from the reds around them, 0 at the reds.
template <class Rows>
static void black_row(float* out, std::int64_t first, std::int64_t last, const float* b, const float* inverse, Rows& red,
                      std::int64_t y, V across, V down) {
    const float *above = red[y - 1], *same = red[y], *below = red[y + 1];
    const V lanes = red_lanes(y + 1);
    for (auto x = first; x < last; x += STEP)
        store(lanes * load(inverse + x) * (load(b + x) + neighbours(above + x, same + x, below + x, across, down)),
              out + x);
}

// The restriction of one plane, for which the rows of b come one after the other.
class Grid::Restriction {
public:
    Restriction(const Grid& fine, const Grid& coarse)
        : fine_(fine), coarse_(coarse), red_(fine.pitch_), black_(fine.pitch_), left_(fine.pitch_) {}

    void begin(const float* b, float* coarse_b, std::int64_t plane, std::int64_t planes) {
        b_ = b + plane * fine_.plane() + fine_.pitch_;
        to_ = coarse_b + plane * coarse_.plane() + coarse_.pitch_;
        hole_ = fine_.hole_of(plane, planes), coarse_hole_ = coarse_.hole_of(plane, planes);
        for (Rows* rows : {&red_, &black_, &left_}) rows->clear();
    }

    // Row y of b, from 0 to height + 1: the last two are none, but what was held back comes out.  The reds of row y, the
    // blacks of row y - 1, which need the reds around them, and at the reds of row y - 2 what is left.
    void push(std::int64_t y) {
        sweep_red(y);
        if (y >= 1) sweep_black(y - 1);
        if (y >= 2) leave(y - 2);
        // a coarse row needs the rows around it; there is none below the last
        if (const auto last = y - 2; last >= 0 && (last % 2 == 1 || last == fine_.height_ - 1)) {
            if (last % 2 == 0) left_.begin(last + 1, {});
            gather(last / 2);
        }
    }

private:
    V across() const { return V{} + fine_.across_; }
    V down() const { return V{} + fine_.down_; }

    void sweep_red(std::int64_t y) {
        if (y >= fine_.height_) return void(red_.begin(y, {}));
        const auto [first, last] = hole_.span(y);
        float* out = red_.begin(y, {first, last});
        const float *scale = hole_.inverse(y), *row = b_ + y * fine_.pitch_;
        const V lanes = red_lanes(y);
        for (auto x = first; x < last; x += STEP) store(lanes * load(scale + x) * load(row + x), out + x);
    }

    void sweep_black(std::int64_t y) {
        if (y >= fine_.height_) return void(black_.begin(y, {}));
        const auto [first, last] = hole_.span(y);
        black_row(black_.begin(y, {first, last}), first, last, b_ + y * fine_.pitch_, hole_.inverse(y), red_, y, across(),
                  down());
    }

    void leave(std::int64_t y) {
        const auto [first, last] = hole_.span(y);
        float* out = left_.begin(y, {first, last});
        const float* scale = hole_.inverse(y);
        const float *above = black_[y - 1], *same = black_[y], *below = black_[y + 1];
        // beyond the last row and column there is no coarse one to share with
        const bool alone = y % 2 == 1 && y == fine_.height_ - 1;
        const V lanes = red_lanes(y) * (alone ? 2.0f : 1.0f), none{};
        for (auto x = first; x < last; x += STEP)
            store(load(scale + x) != 0 ? lanes * neighbours(above + x, same + x, below + x, across(), down()) : none,
                  out + x);
        if (fine_.width_ % 2 == 0) out[fine_.width_ - 1] *= 2;
    }

    void gather(std::int64_t row) {
        const auto [first, last] = coarse_hole_.span(row);
        const float *above = left_[2 * row - 1], *same = left_[2 * row], *below = left_[2 * row + 1];
        float* out = to_ + row * coarse_.pitch_;
        for (auto x = first; x < std::min(last, coarse_.width_); ++x)
            out[x] = same[2 * x] +
                     0.25f * ((above[2 * x - 1] + above[2 * x + 1]) + (below[2 * x - 1] + below[2 * x + 1]));
    }

    const Grid &fine_, &coarse_;
    Rows red_, black_, left_;
    const float* b_ = nullptr;
    float* to_ = nullptr;
    Hole hole_{}, coarse_hole_{};
};

void Grid::restrict(const float* b, std::int64_t planes, const Grid& coarse, float* coarse_b) const {
    Restriction restriction(*this, coarse);
    for (std::int64_t plane = 0; plane < planes; ++plane) {
        restriction.begin(b, coarse_b, plane, planes);
        for (std::int64_t y = 0; y < height_ + 2; ++y) restriction.push(y);
    }
}

// The Laplacian at a row's pixels, above and below being the row itself where the image ends, left and right 0 there.
// Of large numbers that differ little, the differences are exact: float32 is enough.
static V laplacian(const float* above, const float* row, const float* below, V left, V right) {
    const V here = load(row);
    return ((load(above) - here) + (load(below) - here)) +
           (left * (load(row - 1) - here) + right * (load(row + 1) - here));
}

// Row y of the bilinear interpolation of a coarse plane, at the reds that the coarse pixels are or lie around.
void Grid::interpolate(const float* from, const Grid& coarse, std::int64_t y, std::int64_t first, std::int64_t last,
                       float* row) const {
    const float* above = from + y / 2 * coarse.pitch_;
    const auto begin = first / 2, end = std::min(last / 2, coarse.width_);
    if (y % 2 == 0) {
        for (auto x = begin; x < end; ++x) row[2 * x] = above[x], row[2 * x + 1] = 0;
        return;
    }
    const float* below = above + coarse.pitch_;
    // beyond the last row and column the last is all there is
    const float share = y == height_ - 1 ? 0.5f : 0.25f;
    for (auto x = begin; x < end; ++x) {
        row[2 * x] = 0;
        row[2 * x + 1] = share * ((above[x] + below[x]) + (above[x + 1] + below[x + 1]));
    }
    if (width_ % 2 == 0) row[width_ - 1] *= 2;
}

void Grid::correct(const float* b, std::int64_t planes, const Grid* coarse, const float* coarse_u, bool add, float* u,
                   double* products, double* energies, float* largest) const {
    Rows red(pitch_), black(pitch_);
    std::vector<float> added(pitch_ + WIDE);
    const V across = V{} + across_, down = V{} + down_;
    for (std::int64_t plane = 0; plane < planes; ++plane) {
        const float* of_b = b + plane * this->plane() + pitch_;
        float* to = u + plane * this->plane() + pitch_;
        const float* from = coarse ? coarse_u + plane * coarse->plane() + coarse->pitch_ : nullptr;
        Sum<float> product, energy;
        V most{};
        const Hole hole = hole_of(plane, planes);
        red.clear(), black.clear();
        for (std::int64_t y = 0; y < height_ + 3; ++y) {
            if (y < height_) {
                const auto [first, last] = hole.span(y);
                if (coarse) interpolate(from, *coarse, y, first, last, added.data());
                const float *scale = hole.inverse(y), *row = of_b + y * pitch_;
                float* out = red.begin(y, {first, last});
                const V lanes = red_lanes(y), none{};
                for (auto x = first; x < last; x += STEP) {
                    const V share = load(scale + x);
                    store(lanes * (share * load(row + x) + (share != 0 ? load(added.data() + x) : none)), out + x);
                }
            } else {
                red.begin(y, {});
            }
            if (const auto yb = y - 1; yb >= 0 && yb < height_) {
                const auto [first, last] = hole.span(yb);
                black_row(black.begin(yb, {first, last}), first, last, of_b + yb * pitch_, hole.inverse(yb),
                          red, yb, across, down);
            } else {
                black.begin(yb, {});
            }
            if (const auto yr = y - 2; yr >= 0 && yr < height_) {
                const auto [first, last] = hole.span(yr);
                const float *scale = hole.inverse(yr), *row = of_b + yr * pitch_;
                const float *above = black[yr - 1], *same = black[yr], *below = black[yr + 1];
                float* out = to + yr * pitch_;
                const V lanes = red_lanes(yr);
                V of_row{};
                for (auto x = first; x < last; x += STEP) {
                    const V right = load(row + x);
                    const V found =
                        load(same + x) + lanes * load(scale + x) *
                                             (right + neighbours(above + x, same + x, below + x, across, down));
                    of_row += right * found;
                    const V size = absolute(found);
                    most = size > most ? size : most;
                    store(add ? load(out + x) + found : found, out + x);
                }
                product.add(of_row);
            }
            if (const auto ye = y - 3; energies && ye >= 0) {
                const auto [first, last] = hole.span(ye);
                const float* row = to + ye * pitch_;
                const float *above = ye > 0 ? row - pitch_ : row, *below = ye < height_ - 1 ? row + pitch_ : row;
                V of_row{};
                for (auto x = first; x < last; x += STEP)
                    of_row -= load(row + x) * laplacian(above + x, row + x, below + x, load(left_.data() + x),
                                                        load(right_.data() + x));
                energy.add(of_row);
            }
        }
        if (!energies) continue;
        products[plane] = product.total();
        energies[plane] = energy.total();
        largest[plane] = 0;
        for (std::int64_t lane = 0; lane < STEP; ++lane) largest[plane] = std::max(largest[plane], most[lane]);
    }
}

void Grid::subtract(const float* u, std::int64_t planes, float* b) const {
    const V across = V{} + across_, down = V{} + down_, none{};
    for (std::int64_t plane = 0; plane < planes; ++plane) {
        const Hole hole = hole_of(plane, planes);
        for (std::int64_t y = 0; y < height_; ++y) {
            const auto [first, last] = hole.span(y);
            const auto offset = plane * this->plane() + (y + 1) * pitch_;
            const float *scale = hole.inverse(y), *row = u + offset;
            for (auto x = first; x < last; x += STEP) {
                const V of_u = load(row + x) / load(scale + x) -
                               neighbours(row + x - pitch_, row + x, row + x + pitch_, across, down);
                store(load(scale + x) != 0 ? load(b + offset + x) - of_u : none, b + offset + x);
            }
        }
    }
}

void Grid::solve(const std::vector<const Grid*>& grids, const std::vector<float*>& b, const std::vector<float*>& u,
                 std::int64_t planes) {
    // smaller grids cost too much of their own for what they save
    constexpr std::int64_t LARGE = 64 * 64;
    const auto cycle = [&](auto& self, std::size_t k) -> void {
        const bool coarsest = k + 1 == grids.size();
        for (const bool again : {false, true}) {
            if (again && grids[k]->height_ * grids[k]->width_ <= LARGE) break;
            if (again) grids[k]->subtract(u[k], planes, b[k]);
            if (!coarsest) {
                grids[k]->restrict(b[k], planes, *grids[k + 1], b[k + 1]);
                self(self, k + 1);
            }
            grids[k]->correct(b[k], planes, coarsest ? nullptr : grids[k + 1], coarsest ? nullptr : u[k + 1], again, u[k],
                              nullptr, nullptr, nullptr);
        }
    };
    cycle(cycle, 0);
}

void Grid::advance(const float* z, const double* beta, const double* alpha, std::int64_t planes, float* p, double* f,
                   float* r, double* squares, const Grid& coarse, float* coarse_r) const {
    Restriction restriction(*this, coarse);
    for (std::int64_t plane = 0; plane < planes; ++plane) {
        const auto offset = plane * this->plane() + pitch_;
        const V share = V{} + static_cast<float>(beta[plane]), scale = V{} + static_cast<float>(alpha[plane]), none{};
        const Doubles wide = Doubles{} + static_cast<float>(alpha[plane]);
        Sum<float> square;
        const Hole hole = hole_of(plane, planes);
        restriction.begin(r, coarse_r, plane, planes);
        for (std::int64_t y = 0; y < height_ + 3; ++y) {
            if (y < height_) {
                const auto [first, last] = hole.span(y);
                const float* of_z = z + offset + y * pitch_;
                float* row = p + offset + y * pitch_;
                for (auto x = first; x < last; x += STEP) store(load(of_z + x) + share * load(row + x), row + x);
            }
            const auto ya = y - 1;
            if (ya < 0) continue;
            if (ya < height_) {
                const auto [first, last] = hole.span(ya);
                const float *inverse = hole.inverse(ya), *row = p + offset + ya * pitch_;
                double* of_f = f + offset + ya * pitch_;
                float* of_r = r + offset + ya * pitch_;
                const float *above = ya > 0 ? row - pitch_ : row, *below = ya < height_ - 1 ? row + pitch_ : row;
                V of_row{};
                for (auto x = first; x < last; x += STEP) {
                    const V of_p = laplacian(above + x, row + x, below + x, load(left_.data() + x), load(right_.data() + x));
                    const V left = load(inverse + x) != 0 ? load(of_r + x) + scale * of_p : none;
                    store(load_doubles(of_f + x) + wide * load_doubles(row + x), of_f + x);
                    store(left, of_r + x);
                    of_row += left * left;
                }
                square.add(of_row);
            }
            restriction.push(ya);
        }
        squares[plane] = square.total();
    }
}

void Grid::residual(const double* f, const double* v, const bool* wanted, std::int64_t planes, float* r,
                    double* squares) const {
    for (std::int64_t plane = 0; plane < planes; ++plane) {
        if (!wanted[plane]) continue;
        const auto offset = plane * this->plane() + pitch_;
        const Hole hole = hole_of(plane, planes);
        const V none{};
        Doubles sums{};
        for (std::int64_t y = 0; y < height_; ++y) {
            const auto [first, last] = hole.span(y);
            const float* inverse = hole.inverse(y);
            const double *row = f + offset + y * pitch_, *of_v = v ? v + offset + y * pitch_ : nullptr;
            float* of_r = r + offset + y * pitch_;
            const double *above = y > 0 ? row - pitch_ : row, *below = y < height_ - 1 ? row + pitch_ : row;
            for (auto x = first; x < last; x += STEP) {
                const Doubles here = load_doubles(row + x);
                Doubles left = ((load_doubles(above + x) - here) + (load_doubles(below + x) - here)) +
                               (load_doubles(left_.data() + x) * (load_doubles(row + x - 1) - here) +
                                load_doubles(right_.data() + x) * (load_doubles(row + x + 1) - here));
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

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
