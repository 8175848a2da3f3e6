// Planes of numbers: what lies between their pixels, and how they are blurred.  Of (x, y), pixels' centres are whole
// numbers; a place may lie anywhere, and be no number.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "level.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {

struct Point {
    double x, y;
};

// Numbers (height, width), row by row.
struct Plane {
    Plane(std::int64_t height, std::int64_t width, float value = 0)
        : height(height), width(width), pixels(height * width, value) {}

    float& operator()(std::int64_t x, std::int64_t y) { return pixels[y * width + x]; }
    float operator()(std::int64_t x, std::int64_t y) const { return pixels[y * width + x]; }

    std::int64_t height, width;
    std::vector<float> pixels;
};

// A coordinate that whole numbers can hold; what is none is the least.
inline double within(double coordinate, double least, double most) {
    return std::min(most, coordinate > least ? coordinate : least);
}

// What lies at a place, of pixel(x, y), which is asked up to a pixel beyond a plane of that size.
template <class Pixel>
float between(Point at, std::int64_t height, std::int64_t width, const Pixel& pixel) {
    const double x = within(at.x, -1, width), y = within(at.y, -1, height);
    const auto left = static_cast<std::int64_t>(std::floor(x)), top = static_cast<std::int64_t>(std::floor(y));
    const auto right = std::min(left + 1, width), bottom = std::min(top + 1, height);
    const float across = static_cast<float>(x - left), down = static_cast<float>(y - top);
    const float above = (1 - across) * pixel(left, top) + across * pixel(right, top);
    const float below = (1 - across) * pixel(left, bottom) + across * pixel(right, bottom);
    return (1 - down) * above + down * below;
}

// The same of a plane, whose border goes on.
inline float looked(const Plane& plane, Point at) {
    return between({within(at.x, 0, plane.width - 1), within(at.y, 0, plane.height - 1)}, plane.height, plane.width,
                   [&](auto x, auto y) { return plane(std::min(x, plane.width - 1), std::min(y, plane.height - 1)); });
}

// A plane blurred by a Gaussian, which ends behind four sigma; its border goes on.
Plane blurred(const Plane& plane, double sigma);

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
