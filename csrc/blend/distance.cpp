// Down the columns first, then along each row: where known pixels are near, the nearest one is looked for to either side,
// elsewhere by the lower envelope of parabolas (Felzenszwalb and Huttenlocher 2012, "Distance transforms of sampled
// functions").
#include "blend/distance.hpp"

#include <algorithm>
#include <limits>

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {
namespace {

constexpr double FAR = std::numeric_limits<double>::infinity();

// each pixel's distance from the nearest known one of its column
std::vector<double> along_columns(const std::uint8_t* missing, std::int64_t height, std::int64_t width) {
    std::vector<double> distances(height * width);
    for (std::int64_t y = 0; y < height; ++y)
        for (std::int64_t x = 0; x < width; ++x) {
            const auto at = y * width + x;
            distances[at] = missing[at] == 0 ? 0 : y > 0 ? distances[at - width] + 1 : FAR;
        }
    for (std::int64_t at = (height - 1) * width - 1; at >= 0; --at)
        if (distances[at + width] + 1 < distances[at]) distances[at] = distances[at + width] + 1;
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

// Whether a row's known pixels are so near, down the columns, that looking for them is quicker than the envelope.
bool is_near(const double* distances, std::int64_t width) {
    constexpr double NEAR = 12;
    for (std::int64_t x = 0; x < width; ++x)
        if (distances[x] > NEAR) return false;
    return true;
}

// The squares of a row from its (width) distances down the columns, by looking: a pixel k columns away is k^2 away.
void look(const double* distances, std::int64_t width, double* out) {
    for (std::int64_t x = 0; x < width; ++x) {
        double least = distances[x] * distances[x];
        for (std::int64_t k = 1; k * k < least; ++k) {
            const double across = static_cast<double>(k * k);
            if (x >= k) least = std::min(least, across + distances[x - k] * distances[x - k]);
            if (x + k < width) least = std::min(least, across + distances[x + k] * distances[x + k]);
        }
        out[x] = least;
    }
}

}  // namespace

std::vector<double> squared_distances(const std::uint8_t* missing, std::int64_t height, std::int64_t width) {
    auto distances = along_columns(missing, height, width);
    Envelope envelope(width);
    std::vector<double> near(width);
    for (std::int64_t y = 0; y < height; ++y) {
        double* row = distances.data() + y * width;
        if (is_near(row, width)) {
            look(row, width, near.data());
            std::copy(near.begin(), near.end(), row);
            continue;
        }
        envelope.build(row, width);
        envelope.lowest(width, row);
    }
    return distances;
}

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
