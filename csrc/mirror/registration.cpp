#include "mirror/registration.hpp"

#include <limits>
#include <numeric>

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {
namespace {

constexpr int IN_MIRROR[POINTS] = {1, 0, 2, 4, 3};  // which point each is in a mirror
constexpr double FROM_POINTS = 0.3, BARELY = 1e-4;  // stiffness of the field through the points, and what holds it at 0

constexpr int FIRST = FINE * PAD, END = DRAWN - FINE * PAD;  // of the frame's samples along either axis
constexpr int REACH = 8;        // pixels around the hole that must look alike, too
constexpr double GUIDE = 0.35;  // what a sample of the restored face counts beside a known one
// of the shift as a whole: at most, at which blur, its price a square, and what share of the samples must be known
constexpr int FAR = 3;
constexpr double SHIFT_BLUR = 1.5, SHIFT_COST = 0.005, SHIFT_KNOWN = 0.1;
struct Level {
    double blur, stiffness;
    int every;  // of how many samples along either axis one is taken
};
constexpr Level LEVELS[] = {{2.0, 3.0, 2}, {0.7, 0.3, 1}};
constexpr int STEPS = 4;                            // at each level
constexpr double STIFFNESS = 1e-3, HELD = 0.003;    // of a unit of stiffness, and what holds the field where it started
constexpr double LONGEST_STEP = 2.0;
constexpr double LEAST_GAIN = 0.6, MOST_GAIN = 1.6;  // how the mirrored half may be made to differ more, or less
constexpr std::size_t FEWEST = 100;                  // samples of which a correlation says anything
constexpr float RED = 0.299, GREEN = 0.587, BLUE = 0.114;

using Numbers = std::vector<double>;

Plane grey(const std::vector<Plane>& face) {
    Plane out(DRAWN, DRAWN);
    for (std::size_t i = 0; i < out.pixels.size(); ++i)
        out.pixels[i] = RED * face[0].pixels[i] + GREEN * face[1].pixels[i] + BLUE * face[2].pixels[i];
    return out;
}

// How one set of grey levels follows another, by weights: levels = gain * others + offset, and their correlation.
struct Fit {
    double gain, offset, correlation;

    Fit(const Numbers& others, const Numbers& levels, const Numbers& weights) {
        const double total = std::max(std::accumulate(weights.begin(), weights.end(), 0.0), 1e-9);
        const auto mean_of = [&](const auto& value) {
            double sum = 0;
            for (std::size_t i = 0; i < weights.size(); ++i) sum += weights[i] * value(i);
            return sum / total;
        };
        const double mean = mean_of([&](auto i) { return others[i]; });
        const double level = mean_of([&](auto i) { return levels[i]; });
        const double spread = mean_of([&](auto i) { return (others[i] - mean) * (others[i] - mean); });
        const double wanted = mean_of([&](auto i) { return (levels[i] - level) * (levels[i] - level); });
        const double both = mean_of([&](auto i) { return (others[i] - mean) * (levels[i] - level); });
        gain = std::clamp(std::sqrt(wanted / (spread + 1e-6)), LEAST_GAIN, MOST_GAIN);
        offset = level - gain * mean;
        correlation = both / std::sqrt(spread * wanted + 1e-9);
    }
};

// A sample of the frame that counts, in the hole or around it.
struct Sample {
    int x, y;  // among those of the face
    bool lost;
};

// Of each sample, whether a lost one of the frame is near: in a disc of REACH, each of whose rows ends at a whole sample.
std::vector<char> near_lost(const Plane& lost) {
    constexpr int REACHED = FINE * REACH;
    // along its row, how far the next one is
    std::vector<int> away(DRAWN * DRAWN, DRAWN);
    for (int y = FIRST; y < END; ++y) {
        int* const row = &away[y * DRAWN];
        for (int x = FIRST; x < END; ++x) row[x] = lost(x, y) != 0 ? 0 : row[x - 1] + 1;
        for (int x = END - 2; x >= FIRST; --x) row[x] = std::min(row[x], row[x + 1] + 1);
    }
    std::vector<char> is_near(DRAWN * DRAWN);
    for (int by = -REACHED; by <= REACHED; ++by) {
        const double half = std::nearbyint(std::sqrt(REACHED * REACHED - by * by));
        for (int y = std::max(FIRST, FIRST - by); y < std::min(END, END - by); ++y)
            for (int x = FIRST; x < END; ++x) is_near[y * DRAWN + x] |= away[(y + by) * DRAWN + x] <= half;
    }
    return is_near;
}

struct Samples {
    // all of a face's
    explicit Samples(const Halves& halves) : halves(halves) {
        for (int i = 0; i < DRAWN; ++i) splines.push_back(splines_at(place_of(i)));
        const auto is_near = near_lost(halves.lost);
        for (int y = FIRST; y < END; ++y)
            for (int x = FIRST; x < END; ++x)
                if (is_near[y * DRAWN + x] && halves.beyond(x, y) == 0) all.push_back({x, y, halves.lost(x, y) != 0});
    }

    Samples every(int step) const {
        Samples kept = *this;
        kept.all.clear();
        for (const auto& each : all)
            if (each.x % step == 0 && each.y % step == 0) kept.all.push_back(each);
        return kept;
    }

    // m + d(m)
    std::vector<Point> moved(const Field& field) const {
        std::vector<Point> places;
        for (const auto& each : all) {
            const auto by = field.at(splines[each.x], splines[each.y]);
            places.push_back({place_of(each.x) + by.x, place_of(each.y) + by.y});
        }
        return places;
    }

    // What each counts: nothing where its like, at these places, is not known.
    Numbers weights(const std::vector<Point>& places) const {
        Numbers found(all.size());
        for (std::size_t i = 0; i < all.size(); ++i)
            if (!halves.is_unknown(places[i])) found[i] = all[i].lost ? GUIDE : 1;
        return found;
    }

    // How much of the missing is known in the mirror.
    double share(const Field& field) const {
        const auto counts = weights(moved(field));
        double lost = 0, known = 0;
        for (std::size_t i = 0; i < all.size(); ++i) {
            lost += all[i].lost;
            known += all[i].lost && counts[i] > 0;
        }
        return lost > 0 ? known / lost : 0;
    }

    Numbers levels(const Plane& still) const {
        Numbers found;
        for (const auto& each : all) found.push_back(still(each.x, each.y));
        return found;
    }

    const Halves& halves;
    std::vector<Splines> splines;  // along one axis of the face, a sample's each
    std::vector<Sample> all;
};

Numbers levels_at(const Plane& plane, const std::vector<Point>& places) {
    Numbers found;
    for (const auto& place : places) found.push_back(looked(plane, samples_of(place)));
    return found;
}

// Adds the values of all splines at a place, times a number, to `into` (COEFFICIENTS).
void add_splines(const Splines& across, const Splines& down, double value, double* into) {
    for (int i = 0; i < 4; ++i) {
        double* const row = into + (down.first + i) * SPLINES + across.first;
        for (int j = 0; j < 4; ++j) row[j] += value * down.values[i] * across.values[j];
    }
}

// The same of the products of any two of them, to (COEFFICIENTS) rows that are `pitch` apart.
void add_products(const Splines& across, const Splines& down, double value, double* into, int pitch) {
    for (int i = 0; i < 4; ++i)
        for (int j = 0; j < 4; ++j) {
            const int row = (down.first + i) * SPLINES + across.first + j;
            add_splines(across, down, value * down.values[i] * across.values[j], into + row * pitch);
        }
}

// The field that brings points near those that they are in a mirror.
Field through(const Halves& halves, const std::array<Point, POINTS>& points) {
    System across(COEFFICIENTS);
    across.matrix = stiffness();
    for (auto& each : across.matrix) each *= FROM_POINTS;
    for (int i = 0; i < COEFFICIENTS; ++i) across(i, i) += BARELY;
    System down = across;
    for (int i = 0; i < POINTS; ++i) {
        const auto columns = splines_at(points[i].x), rows = splines_at(points[i].y);
        const auto like = halves.mirrored(points[IN_MIRROR[i]]);
        for (auto* system : {&across, &down}) add_products(columns, rows, 1, system->matrix.data(), COEFFICIENTS);
        add_splines(columns, rows, like.x - points[i].x, across.right.data());
        add_splines(columns, rows, like.y - points[i].y, down.right.data());
    }
    Field field;
    const auto x = across.solved(), y = down.solved();
    std::copy(x.begin(), x.end(), field.x.begin());
    std::copy(y.begin(), y.end(), field.y.begin());
    return field;
}

// The shift of a whole field after which both sides are most alike.
Point best_shift(const Samples& samples, const Plane& still, const Plane& moving, const Field& field) {
    const auto level = samples.levels(still);
    const auto places = samples.moved(field);
    double best = -std::numeric_limits<double>::infinity();
    Point found{0, 0};
    for (int y = -FAR; y <= FAR; ++y)
        for (int x = -FAR; x <= FAR; ++x) {
            auto there = places;
            for (auto& each : there) each = {each.x + x, each.y + y};
            const auto weights = samples.weights(there);
            const auto known = std::count_if(weights.begin(), weights.end(), [](double each) { return each > 0; });
            if (known <= SHIFT_KNOWN * weights.size()) continue;
            const double likeness = Fit(levels_at(moving, there), level, weights).correlation - SHIFT_COST * (x * x + y * y);
            if (likeness > best) best = likeness, found = {double(x), double(y)};
        }
    return found;
}

// The slopes of a plane, a pixel of the frame: between a sample's neighbours, at the border to the one that there is.
std::array<Plane, 2> slopes(const Plane& plane) {
    std::array<Plane, 2> out{Plane(DRAWN, DRAWN), Plane(DRAWN, DRAWN)};
    for (std::int64_t y = 0; y < DRAWN; ++y)
        for (std::int64_t x = 0; x < DRAWN; ++x) {
            const auto left = std::max<std::int64_t>(x - 1, 0), right = std::min<std::int64_t>(x + 1, DRAWN - 1);
            const auto up = std::max<std::int64_t>(y - 1, 0), below = std::min<std::int64_t>(y + 1, DRAWN - 1);
            out[0](x, y) = FINE * (plane(right, y) - plane(left, y)) / (right - left);
            out[1](x, y) = FINE * (plane(x, below) - plane(x, up)) / (below - up);
        }
    return out;
}

// A Gauss-Newton step of a field that started at another.
class Step {
public:
    Step(const Samples& samples, const Plane& still, const Plane& moving, const Field& start, double stiff)
        : samples_(samples), moving_(moving), slopes_(slopes(moving)), level_(samples.levels(still)), start_(start),
          penalty_(stiffness()) {
        for (auto& each : penalty_) each *= STIFFNESS * stiff;
        for (int i = 0; i < COEFFICIENTS; ++i) penalty_[i * COEFFICIENTS + i] += STIFFNESS * HELD;
    }

    void take(Field& field) const {
        const auto places = samples_.moved(field);
        auto weights = samples_.weights(places);
        const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
        if (total == 0) return;
        const auto moved = levels_at(moving_, places);
        const Fit fit(moved, level_, weights);
        Numbers rest(moved.size());
        double square = 0;
        for (std::size_t i = 0; i < rest.size(); ++i) {
            rest[i] = level_[i] - fit.gain * moved[i] - fit.offset;
            weights[i] /= total;
            square += weights[i] * rest[i] * rest[i];
        }
        System system(2 * COEFFICIENTS);
        for (std::size_t i = 0; i < rest.size(); ++i) {
            if (weights[i] == 0) continue;
            // what does not agree at all counts less
            const double weight = weights[i] / (1 + rest[i] * rest[i] / (4 * square + 1e-5));
            const auto at = samples_of(places[i]);
            add(system, samples_.all[i], fit.gain * looked(slopes_[0], at), fit.gain * looked(slopes_[1], at), weight, rest[i]);
        }
        hold(system, field);
        const auto step = system.solved();
        for (int i = 0; i < COEFFICIENTS; ++i) {
            field.x[i] += std::clamp(step[i], -LONGEST_STEP, LONGEST_STEP);
            field.y[i] += std::clamp(step[COEFFICIENTS + i], -LONGEST_STEP, LONGEST_STEP);
        }
    }

private:
    // A sample's part, whose moved level rises by so much to the right and down, and lacks `rest`.
    void add(System& system, const Sample& sample, double right, double down, double weight, double rest) const {
        const auto &columns = samples_.splines[sample.x], &rows = samples_.splines[sample.y];
        double* const lower = &system(COEFFICIENTS, 0);
        add_products(columns, rows, weight * right * right, system.matrix.data(), system.size);
        add_products(columns, rows, weight * right * down, lower, system.size);
        add_products(columns, rows, weight * down * down, lower + COEFFICIENTS, system.size);
        add_splines(columns, rows, weight * right * rest, system.right.data());
        add_splines(columns, rows, weight * down * rest, system.right.data() + COEFFICIENTS);
    }

    // What a field's bends and its way from where it started cost.
    void hold(System& system, const Field& field) const {
        for (int i = 0; i < COEFFICIENTS; ++i)
            for (int j = 0; j < COEFFICIENTS; ++j) {
                const double cost = penalty_[i * COEFFICIENTS + j];
                system(i, j) += cost;
                system(COEFFICIENTS + i, COEFFICIENTS + j) += cost;
                system.right[i] -= cost * (field.x[j] - start_.x[j]);
                system.right[COEFFICIENTS + i] -= cost * (field.y[j] - start_.y[j]);
            }
    }

    const Samples& samples_;
    const Plane& moving_;
    const std::array<Plane, 2> slopes_;
    const Numbers level_;
    const Field start_;
    Numbers penalty_;
};

// How the mirror tells what there is at samples, of some of which it is asked.
template <class Asked>
std::optional<Fit> fitted(const Numbers& others, const Numbers& levels, std::size_t fewest, const Asked& is_asked) {
    Numbers weights(others.size());
    std::size_t count = 0;
    for (std::size_t i = 0; i < weights.size(); ++i)
        if (is_asked(i)) weights[i] = 1, ++count;
    if (count <= fewest) return std::nullopt;
    return Fit(others, levels, weights);
}

}  // namespace

Halves::Halves(const Pixels<const float>& drawn, const float* shares, const Similarity& frame, std::int64_t height,
               std::int64_t width, double axis)
    : axis(axis), face(3, Plane(DRAWN, DRAWN)), other(3, Plane(DRAWN, DRAWN)), lost(DRAWN, DRAWN), unknown(DRAWN, DRAWN),
      beyond(DRAWN, DRAWN) {
    Plane nowhere(DRAWN, DRAWN);
    for (int y = 0; y < DRAWN; ++y)
        for (int x = 0; x < DRAWN; ++x) {
            const auto at = frame.to_photo({place_of(x), place_of(y)});
            const bool inside = at.x >= -0.5 && at.y >= -0.5 && at.x <= width - 0.5 && at.y <= height - 0.5;
            for (int c = 0; c < 3; ++c) face[c](x, y) = drawn(0, y, x, c);
            beyond(x, y) = !inside;
            lost(x, y) = inside && shares[y * DRAWN + x] > LOST;
            nowhere(x, y) = !inside || lost(x, y) != 0;
        }
    for (int y = 0; y < DRAWN; ++y)
        for (int x = 0; x < DRAWN; ++x) {
            const auto at = samples_of(mirrored({place_of(x), place_of(y)}));
            for (int c = 0; c < 3; ++c) other[c](x, y) = looked(face[c], at);
            const auto is_nowhere = [&](auto x, auto y) {
                return x < 0 || y < 0 || x >= DRAWN || y >= DRAWN ? 1.0f : nowhere(x, y);
            };
            unknown(x, y) = between(at, DRAWN, DRAWN, is_nowhere) > LOST;
        }
}

bool Halves::is_unknown(Point place) const {
    return between(samples_of(place), DRAWN, DRAWN, [&](auto x, auto y) {
               return x < 0 || y < 0 || x >= DRAWN || y >= DRAWN ? 1.0f : unknown(x, y);
           }) > LOST;
}

std::optional<Registration> registered(const Halves& halves, const std::array<Point, POINTS>& points, double least) {
    const Samples samples(halves);
    Field start = through(halves, points);
    if (samples.all.empty() || samples.share(start) < least) return std::nullopt;
    const auto still = grey(halves.face), moving = grey(halves.other);
    const auto shift = best_shift(samples.every(2), blurred(still, FINE * SHIFT_BLUR), blurred(moving, FINE * SHIFT_BLUR), start);
    for (auto& each : start.x) each += shift.x;
    for (auto& each : start.y) each += shift.y;
    Field field = start;
    Numbers levels, moved, weights;
    for (const auto& level : LEVELS) {
        const auto chosen = samples.every(level.every);
        const auto seen = blurred(still, FINE * level.blur), other = blurred(moving, FINE * level.blur);
        const Step step(chosen, seen, other, start, level.stiffness);
        for (int i = 0; i < STEPS; ++i) step.take(field);
        // of the last, which takes all samples
        const auto places = chosen.moved(field);
        levels = chosen.levels(seen), moved = levels_at(other, places), weights = chosen.weights(places);
    }
    const auto ring = fitted(moved, levels, FEWEST, [&](auto i) { return weights[i] > 0 && !samples.all[i].lost; });
    const auto all = fitted(moved, levels, 0, [&](auto i) { return weights[i] > 0; });
    double yaw = 0;
    for (int i = 0; i < POINTS; ++i) yaw += std::abs(halves.mirrored(points[IN_MIRROR[i]]).x - points[i].x) / POINTS;
    return Registration{field, all ? all->gain : 1, ring ? ring->correlation : std::numeric_limits<double>::quiet_NaN(), yaw};
}

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
