// The levels of Poisson's equation: which pixels each has, and what holds them to the known ones.
#include <algorithm>

#include "blend/pixels.hpp"
#include "blend/poisson.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {

Grid::Grid(std::int64_t holes, std::int64_t height, std::int64_t width, float across, float down)
    : holes_(holes),
      height_(height),
      width_(width),
      pitch_(pitch_of(width)),
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
        spans_[row] = {first / SPAN * SPAN, (last + SPAN - 1) / SPAN * SPAN};
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
    while (grids.back().height_ > 1 || grids.back().width_ > 1) grids.push_back(grids.back().coarser(missing, ground));
    return grids;
}

Grid Grid::coarser(std::vector<float>& missing, std::vector<float>& ground) const {
    // a single row or column has no neighbours that a coarse edge could stand for
    Grid coarse(holes_, (height_ + 1) / 2, (width_ + 1) / 2, across_ * (height_ == 1 ? 0.5f : 1),
                down_ * (width_ == 1 ? 0.5f : 1));
    std::vector<float> coarse_missing(holes_ * coarse.plane()), coarse_ground(holes_ * coarse.plane());
    std::vector<float> sums(width_ + 3);
    for (std::int64_t row = 0; row < holes_ * coarse.height_; ++row) {
        const auto hole = row / coarse.height_, y = row % coarse.height_;
        const auto offset = hole * plane() + (2 * y + 1) * pitch_;
        const float *same = ground.data() + offset, *above = same - pitch_, *below = same + pitch_;
        // the only coarse row that the image's last one has takes all of it
        const float share = 2 * y + 2 == height_ ? 1.0f : 0.5f;
        for (std::int64_t x = 0; x < width_; ++x) sums[x + 1] = same[x] + (0.5f * above[x] + share * below[x]);
        if (width_ % 2 == 0) sums[width_] *= 2;
        const auto to = hole * coarse.plane() + (y + 1) * coarse.pitch_;
        for (std::int64_t x = 0; x < coarse.width_; ++x) {
            coarse_missing[to + x] = missing[offset + 2 * x];
            coarse_ground[to + x] = sums[2 * x + 1] + 0.5f * (sums[2 * x] + sums[2 * x + 2]);
        }
    }
    coarse.set(coarse_missing, coarse_ground);
    missing.swap(coarse_missing);
    ground.swap(coarse_ground);
    return coarse;
}

Grid::Hole Grid::hole_of(std::int64_t plane, std::int64_t planes) const {
    const auto hole = plane * holes_ / planes;
    return {inverse_diagonal_.data() + hole * this->plane(), spans_.data() + hole * height_, pitch_};
}

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
