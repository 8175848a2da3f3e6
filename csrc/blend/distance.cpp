// Down the columns first, then along each row: where known pixels are near, the nearest one is looked for to either side,
// elsewhere by the lower envelope of parabolas (Felzenszwalb and Huttenlocher 2012, "Distance transforms of sampled
// functions").
#include "blend/distance.hpp"

#include <algorithm>
#include <limits>

#include "vectors.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {
namespace {

constexpr double FAR = std::numeric_limits<double>::infinity();

// each pixel's distance from the nearest known one of its column
std::vector<double> along_columns(const std::uint8_t* missing, std::int64_t height, std::int64_t width) {
    std::vector<double> distances(height * width);
    for (std::int64_t y = 0; y < height; ++y) {
        const std::uint8_t* hole = missing + y * width;
        double* row = distances.data() + y * width;
        const double* above = row - (y > 0 ? width : 0);
        // rows of their own, but for the first, in which nothing is above
#pragma GCC ivdep
        for (std::int64_t x = 0; x < width; ++x) row[x] = hole[x] == 0 ? 0 : y > 0 ? above[x] + 1 : FAR;
    }
    for (std::int64_t y = height - 2; y >= 0; --y) {
        double* row = distances.data() + y * width;
        const double* below = row + width;
#pragma GCC ivdep
        for (std::int64_t x = 0; x < width; ++x) row[x] = std::min(row[x], below[x] + 1);
    }
    return distances;
}

// Parabolas (x - place)^2 + height, of which the lowest anywhere are kept, with where each of them begins to be that.
class Envelope {
public:
    explicit Envelope(std::int64_t width) : places_(width), heights_(width), begins_(width) {}

    // of (width) distances down the columns; infinite ones are none
    void build(const double* distances, std::int64_t width) {
        count_ = 0;
        for (std::int64_t x = 0; x < width; ++x) {
            if (distances[x] == FAR) continue;
            const double place = x, height = distances[x] * distances[x];
            double begin = -FAR;
            // hidden behind the new one where that is the lower one from before its begin on
            for (; count_ > 0; --count_) {
                const double other = places_[count_ - 1];
                begin = ((height + place * place) - (heights_[count_ - 1] + other * other)) / (2 * (place - other));
                if (begin > begins_[count_ - 1]) break;
                begin = -FAR;
            }
            places_[count_] = place, heights_[count_] = height, begins_[count_] = begin;
            ++count_;
        }
    }

    void lowest(std::int64_t width, double* out) const {
        std::int64_t k = 0;
        for (std::int64_t x = 0; x < width; ++x) {
            while (k + 1 < count_ && begins_[k + 1] < x) ++k;
            const double offset = x - (count_ ? places_[k] : 0);
            out[x] = count_ ? offset * offset + heights_[k] : FAR;
        }
    }

private:
    std::vector<double> places_, heights_, begins_;
    std::int64_t count_ = 0;
};

// The largest number of a row.
double largest(const double* row, std::int64_t width) {
    Vector<double> lanes{};
    for (std::int64_t x = 0; x < width; x += LANES<double>) {
        const auto values = load(row + x, width - x);
        lanes = values > lanes ? values : lanes;
    }
    double most = 0;
    for (int lane = 0; lane < LANES<double>; ++lane) most = std::max(most, lanes[lane]);
    return most;
}

// A row's (width) distances down the columns, `most` of them at most, become the squares by looking: a pixel k columns
// away is k^2 away.  squares is room for as many.
void look(std::int64_t width, double most, double* squares, double* row) {
    for (std::int64_t x = 0; x < width; ++x) row[x] = squares[x] = row[x] * row[x];
    for (std::int64_t k = 1; k < std::min<double>(most, width); ++k) {
        const double across = static_cast<double>(k * k);
#pragma GCC ivdep
        for (std::int64_t x = k; x < width; ++x) row[x] = std::min(row[x], across + squares[x - k]);
#pragma GCC ivdep
        for (std::int64_t x = 0; x < width - k; ++x) row[x] = std::min(row[x], across + squares[x + k]);
    }
}

}  // namespace

std::vector<double> squared_distances(const std::uint8_t* missing, std::int64_t height, std::int64_t width) {
    auto distances = along_columns(missing, height, width);
    Envelope envelope(width);
    std::vector<double> squares(width);
    for (std::int64_t y = 0; y < height; ++y) {
        double* row = distances.data() + y * width;
        // known pixels so near, down the columns, that looking for them is quicker than the envelope
        constexpr double NEAR = 12;
        if (const double most = largest(row, width); most <= NEAR) {
            look(width, most, squares.data(), row);
            continue;
        }
        envelope.build(row, width);
        envelope.lowest(width, row);
    }
    return distances;
}

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
