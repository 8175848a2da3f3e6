// The levels of Poisson's equation: which pixels each has, and what holds them to the known ones.
#include <algorithm>

#include "blend/pixels.hpp"
#include "blend/poisson.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {
namespace {

using V = Vector<float>;
constexpr std::int64_t STEP = LANES<float>;

}  // namespace

Grid::Grid(std::int64_t height, std::int64_t width, float across, float down)
    : height_(height),
      width_(width),
      pitch_(pitch_of(width)),
      across_(across),
      down_(down),
      inverse_diagonal_(plane()),
      spans_(height),
      left_(pitch_, 1),
      right_(pitch_, 1),
      doubled_(pitch_, 1.0f) {
    left_[0] = right_[width - 1] = 0;
    if (width % 2 == 0) doubled_[width - 1] = 2;
}

void Grid::set(const Numbers<float>& missing, Numbers<float>& ground) {
    const V one = V{} + 1, none{};
    for (std::int64_t y = 0; y < height_; ++y) {
        const auto offset = (y + 1) * pitch_;
        const float *same = missing.data() + offset, *above = same - pitch_, *below = same + pitch_;
        float *held = ground.data() + offset, *to = inverse_diagonal_.data() + offset;
        const V across = this->across(), down = this->down();
        const V vertical = V{} + down_ * ((y > 0) + (y < height_ - 1));
        for (std::int64_t x = 0; x < width_; x += STEP) {
            const V here = load(same + x);
            const V edges =
                down * (load(above + x) + load(below + x)) + across * (load(same + x - 1) + load(same + x + 1));
            const V beside = __builtin_convertvector(load_doubles(left_.data() + x) + load_doubles(right_.data() + x), V);
            // at least an edge to each known neighbour
            const V known = vertical + across * beside - edges;
            const V least = load(held + x), g = here * (least > known ? least : known);
            store(g, held + x);
            store(here != 0 ? one / (edges + g) : none, to + x);
        }
        std::int64_t first = 0, last = width_;
        while (first < width_ && same[first] == 0) ++first;
        while (last > first && same[last - 1] == 0) --last;
        if (first < last) spans_[y] = {first / SPAN * SPAN, (last + SPAN - 1) / SPAN * SPAN};
    }
}

Grid Grid::finest(const std::uint8_t* hole, std::int64_t height, std::int64_t width, Numbers<float>& missing,
                  Numbers<float>& ground) {
    Grid grid(height, width, 1, 1);
    missing.resize(grid.plane()), ground.resize(grid.plane());
    for (std::int64_t y = 0; y < height; ++y)
        for (std::int64_t x = 0; x < width; ++x) missing[(y + 1) * grid.pitch_ + x] = hole[y * width + x] != 0;
    grid.set(missing, ground);
    return grid;
}

Grid Grid::finest(const std::uint8_t* hole, std::int64_t height, std::int64_t width) {
    Numbers<float> missing, ground;
    return finest(hole, height, width, missing, ground);
}

std::vector<Grid> Grid::levels(const std::uint8_t* hole, std::int64_t height, std::int64_t width) {
    Numbers<float> missing, ground;
    std::vector<Grid> grids;
    grids.push_back(finest(hole, height, width, missing, ground));
    do grids.push_back(grids.back().coarser(missing, ground));
    while (grids.back().height_ > 1 || grids.back().width_ > 1);
    return grids;
}

Grid Grid::coarser(Numbers<float>& missing, Numbers<float>& ground) const {
    // a single row or column has no neighbours that a coarse edge could stand for
    Grid coarse((height_ + 1) / 2, (width_ + 1) / 2, across_ * (height_ == 1 ? 0.5f : 1), down_ * (width_ == 1 ? 0.5f : 1));
    // what is looked at in vectors may end behind a row
    Numbers<float> coarse_missing(coarse.plane()), coarse_ground(coarse.plane()), sums(pitch_ + 3 * SPAN);
    float* line = sums.data() + SPAN;
    for (std::int64_t y = 0; y < coarse.height_; ++y) {
        const float* same = ground.data() + (2 * y + 1) * pitch_;
        const float *above = same - pitch_, *below = same + pitch_, *here = missing.data() + (2 * y + 1) * pitch_;
        // the only coarse row that the image's last one has takes all of it
        const float share = 2 * y + 2 == height_ ? 1.0f : 0.5f;
        for (std::int64_t x = 0; x < width_; x += STEP)
            store(load(doubled_.data() + x) * (load(same + x) + (0.5f * load(above + x) + share * load(below + x))),
                  line + x);
        float* of_missing = coarse_missing.data() + (y + 1) * coarse.pitch_;
        float* of_ground = coarse_ground.data() + (y + 1) * coarse.pitch_;
        for (std::int64_t x = 0; x < coarse.width_; ++x) {
            of_missing[x] = here[2 * x];
            of_ground[x] = line[2 * x] + 0.5f * (line[2 * x - 1] + line[2 * x + 1]);
        }
    }
    coarse.set(coarse_missing, coarse_ground);
    missing.swap(coarse_missing);
    ground.swap(coarse_ground);
    return coarse;
}

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
