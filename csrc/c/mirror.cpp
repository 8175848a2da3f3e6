#include <algorithm>
#include <array>
#include <vector>

#include "c/faceinpaint_mirror.h"
#include "c/planes.hpp"
#include "mirror/registration.hpp"
#include "mirror/source.hpp"

int faceinpaint_mirror(const float* face, const float* lost, const float* restored, const std::uint8_t* missing,
                       const std::uint8_t* part, int height, int width, const double* frame, const double* points,
                       double axis, double least, float* source, double* worth) {
    using namespace faceinpaint;
    const Similarity similarity(frame);
    if (height < 1 || width < 1 || !similarity.is_of_a_face()) return FACEINPAINT_NO_FACE;
    std::array<Point, POINTS> at{};
    for (int i = 0; i < POINTS; ++i) at[i] = {points[2 * i], points[2 * i + 1]};
    const Halves halves(planes(face, DRAWN, DRAWN), lost, similarity, height, width, axis);
    const auto found = registered(halves, at, least);
    if (!found) return FACEINPAINT_HIDDEN;
    std::vector<float> trust(static_cast<std::size_t>(height) * width);
    worth[0] = make_source(halves, *found, planes(restored, height, width), missing, part, height, width, similarity,
                           planes(source, height, width), trust.data());
    worth[1] = found->ring;
    worth[2] = found->yaw;
    return FACEINPAINT_MIRRORED;
}
