#include "mirror/source.hpp"

#include <array>

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {
namespace {

// frame pixels of the low frequencies: of brightness, and of what is compared
constexpr double SMOOTH = 16, ALIKE = 4;
// how far both sides may be apart in these, of 1: before brightness is mended, and after
constexpr float ROUGHLY = 0.3, CLOSELY = 0.2;
// how far both may be apart in details where both are known, blurred by so much, over so many frame pixels, and what share
// of these must be known to say anything
constexpr float DETAILS = 0.1, ENOUGH = 0.05;
constexpr double BLUR = 0.7, NEAR = 4;
constexpr double EDGE = 0.7, LEAST_EDGE = 0.3;  // frame pixels over which the mirror ends, and at least, of the photograph
constexpr float LEAST_WEIGHT = 1e-3;

// Of a plane, what its numbers are by f.
template <class F>
Plane map(const Plane& plane, const F& f) {
    Plane out = plane;
    for (std::size_t i = 0; i < out.pixels.size(); ++i) out.pixels[i] = f(i);
    return out;
}

// The low frequencies of planes, by weights: what does not count has no part in them.
class Low {
public:
    Low(const Plane& weights, double sigma) : weights_(weights), sigma_(sigma), total_(blurred(weights, FINE * sigma)) {
        for (auto& each : total_.pixels) each = std::max(each, LEAST_WEIGHT);
    }

    Plane operator()(const Plane& plane) const {
        const auto sums = blurred(map(plane, [&](auto i) { return plane.pixels[i] * weights_.pixels[i]; }), FINE * sigma_);
        return map(sums, [&](auto i) { return sums.pixels[i] / total_.pixels[i]; });
    }

private:
    Plane weights_;
    double sigma_;
    Plane total_;
};

// How much both are alike where they are so far apart: 1 to 0.
float likeness(float apart, float limit) { return std::exp(-(apart / limit) * (apart / limit)); }

struct Compared {
    Plane shift;  // what brightness the mirror lacks
    Plane alike;  // how much both are alike, 0 to 1
};

// Both halves of a face beside each other, planes (DRAWN, DRAWN).  They are alike where the mirror's colours are the
// restored face's, and where its details are those of what is known nearby: on one side of a hole there may be glasses, or
// hair, that the other half has not.
Compared compared(const Halves& halves, const Registration& found) {
    std::vector<Plane> apart(3, Plane(DRAWN, DRAWN));
    Plane known(DRAWN, DRAWN), both(DRAWN, DRAWN);
    std::vector<Splines> splines;
    for (int i = 0; i < DRAWN; ++i) splines.push_back(splines_at(place_of(i)));
    for (int y = 0; y < DRAWN; ++y)
        for (int x = 0; x < DRAWN; ++x) {
            const auto by = found.field.at(splines[x], splines[y]);
            const Point like{place_of(x) + by.x, place_of(y) + by.y};
            for (int c = 0; c < 3; ++c)
                apart[c](x, y) = halves.face[c](x, y) - static_cast<float>(found.gain) * looked(halves.other[c], samples_of(like));
            known(x, y) = !halves.is_unknown(like);
            both(x, y) = known(x, y) != 0 && halves.lost(x, y) == 0 && halves.beyond(x, y) == 0;
        }

    const auto mean_of = [](const std::vector<Plane>& planes, const auto& value) {
        return map(planes[0], [&](auto i) { return (value(0, i) + value(1, i) + value(2, i)) / 3; });
    };
    const Low low(known, ALIKE);
    const std::vector<Plane> colours{low(apart[0]), low(apart[1]), low(apart[2])};
    const auto roughly = mean_of(colours, [&](auto c, auto i) { return std::abs(colours[c].pixels[i]); });
    // a background over a cheek, say
    auto alike = map(roughly, [&](auto i) { return likeness(roughly.pixels[i], ROUGHLY); });
    const Low smooth(map(known, [&](auto i) { return known.pixels[i] * alike.pixels[i]; }), SMOOTH);
    const auto shift = smooth(mean_of(apart, [&](auto c, auto i) { return apart[c].pixels[i]; }));

    const auto lifted = low(shift);
    const auto closely = mean_of(colours, [&](auto c, auto i) { return std::abs(colours[c].pixels[i] - lifted.pixels[i]); });
    for (auto& each : apart) {
        for (std::size_t i = 0; i < each.pixels.size(); ++i) each.pixels[i] -= shift.pixels[i];
        each = blurred(each, FINE * BLUR);
    }
    const auto details = Low(both, NEAR)(mean_of(apart, [&](auto c, auto i) { return std::abs(apart[c].pixels[i]); }));
    const auto near = blurred(both, FINE * NEAR);
    alike = map(alike, [&](auto i) {
        const float told = std::min(near.pixels[i] / ENOUGH, 1.0f);
        const float same = 1 - told + told * likeness(details.pixels[i], DETAILS);
        return alike.pixels[i] * likeness(closely.pixels[i], CLOSELY) * same;
    });
    return {shift, alike};
}

// What a photograph has between its pixels: cubic convolution (Keys 1981), as OpenCV has it; its border goes on.
class Cubic {
public:
    Cubic(const Pixels<const float>& image, std::int64_t height, std::int64_t width)
        : image_(image), height_(height), width_(width) {}

    std::array<float, 3> operator()(Point at) const {
        const double x = within(at.x, -3, width_ + 2), y = within(at.y, -3, height_ + 2);
        const auto left = static_cast<std::int64_t>(std::floor(x)) - 1, top = static_cast<std::int64_t>(std::floor(y)) - 1;
        const auto across = weights(x - left - 1), down = weights(y - top - 1);
        std::array<float, 3> sum{};
        for (int j = 0; j < 4; ++j) {
            const auto row = std::clamp<std::int64_t>(top + j, 0, height_ - 1);
            for (int i = 0; i < 4; ++i) {
                const auto column = std::clamp<std::int64_t>(left + i, 0, width_ - 1);
                for (int c = 0; c < 3; ++c) sum[c] += down[j] * across[i] * image_(0, row, column, c);
            }
        }
        return sum;
    }

private:
    // of four neighbours, of a place that lies so far, 0 to 1, behind the second
    static std::array<float, 4> weights(double share) {
        constexpr float A = -0.75;
        const auto beyond = [](float t) { return ((A * t - 5 * A) * t + 8 * A) * t - 4 * A; };
        const auto near = [](float t) { return ((A + 2) * t - (A + 3)) * t * t + 1; };
        const float t = share;
        const float first = beyond(1 + t), second = near(t), third = near(1 - t);
        return {first, second, third, 1 - first - second - third};
    }

    Pixels<const float> image_;
    std::int64_t height_, width_;
};

// Rows and columns of a photograph, the last ones beside it.
struct Window {
    std::int64_t top, left, bottom, right;

    std::int64_t height() const { return bottom - top; }
    std::int64_t width() const { return right - left; }
};

// What holds the pixels of a part with so many around them, as far as there are; empty if there are none.
Window window_around(const std::uint8_t* part, std::int64_t height, std::int64_t width, std::int64_t margin) {
    Window found{height, width, 0, 0};
    for (std::int64_t y = 0; y < height; ++y)
        for (std::int64_t x = 0; x < width; ++x)
            if (part[y * width + x])
                found = {std::min(found.top, y), std::min(found.left, x), y + 1, std::max(found.right, x + 1)};
    if (found.bottom == 0) return {0, 0, 0, 0};
    return {std::max<std::int64_t>(found.top - margin, 0), std::max<std::int64_t>(found.left - margin, 0),
            std::min(found.bottom + margin, height), std::min(found.right + margin, width)};
}

// Where a plane of 0 and 1 is 1 with all of its neighbours.
Plane eroded(const Plane& plane) {
    Plane out(plane.height, plane.width);
    for (std::int64_t y = 0; y < plane.height; ++y)
        for (std::int64_t x = 0; x < plane.width; ++x) {
            float least = 1;
            for (auto v = std::max<std::int64_t>(y - 1, 0); v <= std::min(y + 1, plane.height - 1); ++v)
                for (auto u = std::max<std::int64_t>(x - 1, 0); u <= std::min(x + 1, plane.width - 1); ++u)
                    least = std::min(least, plane(u, v));
            out(x, y) = least;
        }
    return out;
}

}  // namespace

double make_source(const Halves& halves, const Registration& found, const Pixels<const float>& restored,
                   const std::uint8_t* missing, const std::uint8_t* part, std::int64_t height, std::int64_t width,
                   const Similarity& frame, const Pixels<float>& source, float* trust) {
    std::fill_n(trust, height * width, 0.0f);
    for (std::int64_t y = 0; y < height; ++y)
        for (std::int64_t x = 0; x < width; ++x)
            for (int c = 0; c < 3; ++c) source(0, y, x, c) = restored(0, y, x, c);
    const double edge = std::max(EDGE * frame.scale(), LEAST_EDGE);
    const auto near = window_around(part, height, width, static_cast<std::int64_t>(std::ceil(4 * edge + 2)));
    if (near.height() == 0) return 0;

    const auto of_face = compared(halves, found);
    const auto like = [&](Point place) {
        const auto by = found.field.at(place);
        return frame.to_photo(halves.mirrored({place.x + by.x, place.y + by.y}));
    };
    const auto place_at = [&](std::int64_t x, std::int64_t y) {
        return frame.to_frame({static_cast<double>(near.left + x), static_cast<double>(near.top + y)});
    };
    Plane known(near.height(), near.width());
    for (std::int64_t y = 0; y < known.height; ++y)
        for (std::int64_t x = 0; x < known.width; ++x)
            known(x, y) = between(like(place_at(x, y)), height, width, [&](auto u, auto v) {
                              return u < 0 || v < 0 || u >= width || v >= height || missing[v * width + u] ? 1.0f : 0.0f;
                          }) <= LOST;

    const auto softened = blurred(eroded(known), edge);
    const Cubic mirror(restored, height, width);
    const auto gain = static_cast<float>(found.gain);
    double total = 0, count = 0;
    for (std::int64_t y = 0; y < known.height; ++y)
        for (std::int64_t x = 0; x < known.width; ++x) {
            const auto place = place_at(x, y);
            const auto at = samples_of(place);
            const auto row = near.top + y, column = near.left + x;
            const float trusted = softened(x, y) * known(x, y) * looked(of_face.alike, at);
            const auto there = mirror(like(place));
            const float shift = looked(of_face.shift, at);
            for (int c = 0; c < 3; ++c) source(0, row, column, c) += trusted * (gain * there[c] + shift - restored(0, row, column, c));
            trust[row * width + column] = trusted;
            if (part[row * width + column]) total += trusted, ++count;
        }
    return total / count;
}

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
