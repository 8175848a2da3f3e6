// The arrays in which a plate is solved, one plane after the other.
#pragma once

#include <vector>

#include "blend/plate.hpp"
#include "blend/plate_operator.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {
namespace plate {

// What a level's part of a V-cycle works on.
struct LevelWork {
    explicit LevelWork(const Level& level)
        : b(level.height, level.pitch),
          r(level.height, level.pitch),
          z(level.height, level.pitch),
          before(level.height, level.pitch),
          line(level.pitch + 3 * STEP) {}

    // right-hand side, residual, answer, and the answer before that
    Field<float> b, r, z, before;
    std::vector<float> line;
};

}  // namespace plate

struct Plate::Work {
    explicit Work(const std::vector<plate::Level>& of)
        : levels(of.begin(), of.end()),
          f(of[0].height, of[0].pitch),
          pull(of[0].height, of[0].pitch),
          r(of[0].height, of[0].pitch),
          p(of[0].height, of[0].pitch),
          q(of[0].height, of[0].pitch) {}

    std::vector<plate::LevelWork> levels;
    // the plane's part, what it is pulled to, its residual, a step of conjugate gradients and K of it
    plate::Field<double> f, pull, r, p, q;
};

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
