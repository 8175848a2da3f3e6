// The two halves of a face registered: which place of a face looks like which, mirrored.
//
// In a frame of SIZE pixels, whose numbers all lengths here are, a displacement d is sought so that the mirrored face at
// m + d(m) looks like the face at m.  It starts from where the face's points have their like, is shifted as a whole, and
// refined by Gauss-Newton steps from coarse to fine: weighted least squares of grey levels in the hole and around it,
// wherever the mirrored place is known.  In the hole the restored face stands for what is not known: it counts less, and
// decides little but where features are.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "blend/pixels.hpp"
#include "level.hpp"
#include "mirror/field.hpp"
#include "mirror/plane.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {

constexpr int FINE = 2, PAD = 12;  // samples along a pixel, and pixels around the frame that are drawn, too
constexpr int DRAWN = FINE * (SIZE + 2 * PAD);
constexpr int POINTS = 5;     // of a face: eyes, nose, corners of the mouth, what lies to the left first
constexpr float LOST = 0.02;  // of a place that is missing, and it is not known

// From a photograph's pixels to the frame's: (x, y) to (re x - im y + left, im x + re y + top).
struct Similarity {
    double re, im, left, top;

    // of a matrix (2, 3), for columns (x, y, 1)
    explicit Similarity(const double* matrix) : re(matrix[0]), im(matrix[3]), left(matrix[2]), top(matrix[5]) {}

    Point to_frame(Point at) const { return {re * at.x - im * at.y + left, im * at.x + re * at.y + top}; }
    Point to_photo(Point at) const {
        const double x = at.x - left, y = at.y - top, square = re * re + im * im;
        return {(re * x + im * y) / square, (re * y - im * x) / square};
    }
    // the photograph's pixels along one of the frame's
    double scale() const { return 1 / std::hypot(re, im); }
    bool is_of_a_face() const { return scale() >= 1e-3 && scale() <= 1e4; }
};

// The place in the frame of a sample along one axis of a face that was drawn finely, and back.
inline double place_of(std::int64_t sample) { return (sample + 0.5) / FINE - 0.5 - PAD; }
inline double sample_of(double place) { return FINE * (place + PAD) + (FINE - 1) / 2.0; }
inline Point samples_of(Point place) { return {sample_of(place.x), sample_of(place.y)}; }

// A face drawn finely, with what lies around its frame, and the same in a mirror; planes (DRAWN, DRAWN).
struct Halves {
    // face    (DRAWN, DRAWN, 3) in [0, 1], of the photograph that the frame lies in
    // lost    (DRAWN, DRAWN): how much of a sample is missing
    // height, width  of that photograph
    // axis    of the frame, about which it is mirrored
    Halves(const Pixels<const float>& face, const float* lost, const Similarity& frame, std::int64_t height,
           std::int64_t width, double axis);

    Point mirrored(Point place) const { return {2 * axis - place.x, place.y}; }
    // Whether what the mirror has at a place is not known.
    bool is_unknown(Point place) const;

    double axis;
    std::vector<Plane> face, other;  // three planes each
    // 1 where the face is missing, where its mirrored place is or lies beyond the photograph, where that has ended
    Plane lost, unknown, beyond;
};

// Where each place's like is.
struct Registration {
    Field field;  // d
    double gain;  // of contrast, with which the mirrored half is as strong
    double ring;  // correlation with what is known around the hole; NaN where nothing is
    double yaw;   // how far the points are from their like, to the side, on average: of a face that looks ahead, 0
};

// Of a face, from its points in the frame; none where less than a share `least` of what is missing is known in the mirror.
std::optional<Registration> registered(const Halves& halves, const std::array<Point, POINTS>& points, double least);

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
