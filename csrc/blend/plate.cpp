// The outer loop: conjugate gradients in double until the residual, taken anew from F, is as small as it has to be.
#include "blend/plate.hpp"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <unordered_map>

#include "blend/distance.hpp"
#include "blend/pixels.hpp"
#include "blend/plate_operator.hpp"
#include "blend/plate_work.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {

using namespace plate;

namespace {

constexpr int MOST_CYCLES = 30;
// the largest number of the error, as a share of the correction, for a relative residual of 1
constexpr double ERROR = 100;
// the last correction makes the residual smaller by a factor that is larger than this
constexpr double LAST = 3;
// squares of distances up to which c is looked up
constexpr double MOST_KNOWN = 1024;
// as far as a missing pixel's equation looks
constexpr std::int64_t REACH = 2;

// p = z + beta p, bend = L p - tension p, and p . K p, which is the sum of L p (L p - tension p)
double turn(const Field<float>& z, double beta, double tension, const Level& level, Field<double>& p,
            Field<double>& bend) {
    const auto height = level.height, width = level.width;
    Doubles energy{};
    for (std::int64_t y = 0; y <= height; ++y) {
        if (y < height) {
            const float* from = z[y];
            double* to = p[y];
            for (const std::int64_t x : level.unknown[y])
                store(beta * load_doubles(to + x) + load_doubles(from + x), to + x);
        }
        if (y == 0) continue;
        double* row = bend[y - 1];
        laplacian<double>(p, nullptr, tension, level, y - 1, row);
        std::fill(row + width, row + up_to(width, STEP), 0.0);
        const double* of_p = p[y - 1];
        for (const std::int64_t x : level.near[y - 1])
            energy += load_doubles(row + x) * (load_doubles(row + x) + tension * load_doubles(of_p + x));
        // as it is beyond the border
        row[width] = row[width - 1];
    }
    return total(energy);
}

// a row in float
void narrow(const double* from, Blocks::Row blocks, float* to) {
    for (const std::int64_t x : blocks) store<float>(__builtin_convertvector(load_doubles(from + x), V), to + x);
}

// r . z and the largest |z|
struct Estimate {
    double product;
    float largest;
};

Estimate estimate(const Field<double>& r, const Field<float>& z, const Level& level) {
    Doubles products{};
    V sizes{};
    for (std::int64_t y = 0; y < level.height; ++y) {
        const double* of_r = r[y];
        const float* row = z[y];
        for (const std::int64_t x : level.unknown[y]) {
            products += load_doubles(of_r + x) * load_doubles(row + x);
            const V size = absolute(load(row + x));
            sizes = size > sizes ? size : sizes;
        }
    }
    float largest = 0;
    for (std::int64_t lane = 0; lane < STEP; ++lane) largest = std::max(largest, sizes[lane]);
    return {total(products), largest};
}

}  // namespace

Plate::Plate(const std::uint8_t* missing, std::int64_t height, std::int64_t width, double tension)
    : image_height_(height), image_width_(width), tension_(tension) {
    const auto hole = crop(missing);
    if (hole.empty()) return;
    set_levels(hole.data());
    if (tension == 0) return;
    trust_ = squared_distances(hole.data(), height_, width_);
    // squares are whole numbers, and most of them occur many times
    std::vector<double> known;
    for (double& number : trust_) {
        const auto of_square = [&](double square) { return -std::expm1(-tension * square / (DEPTH * DEPTH)); };
        if (number >= MOST_KNOWN) {
            number = of_square(number);
            continue;
        }
        while (static_cast<double>(known.size()) <= number) known.push_back(of_square(static_cast<double>(known.size())));
        number = known[static_cast<std::size_t>(number)];
    }
}

std::vector<std::uint8_t> Plate::crop(const std::uint8_t* missing) {
    std::int64_t top = image_height_, bottom = 0, left = image_width_, right = 0;
    for (std::int64_t y = 0; y < image_height_; ++y)
        for (std::int64_t x = 0; x < image_width_; ++x)
            if (missing[y * image_width_ + x] != 0) {
                top = std::min(top, y), bottom = y + 1;
                left = std::min(left, x), right = std::max(right, x + 1);
            }
    if (bottom == 0) return {};
    top_ = std::max<std::int64_t>(top - REACH, 0), left_ = std::max<std::int64_t>(left - REACH, 0);
    height_ = std::min(bottom + REACH, image_height_) - top_, width_ = std::min(right + REACH, image_width_) - left_;
    std::vector<std::uint8_t> hole(height_ * width_);
    for (std::int64_t y = 0; y < height_; ++y)
        std::copy_n(missing + (top_ + y) * image_width_ + left_, width_, hole.data() + y * width_);
    return hole;
}

std::int64_t Plate::solve(double* f, const double* guidance, std::int64_t planes, double tolerance,
                          double* reached) const {
    std::fill(reached, reached + planes, 0.0);
    if (levels_.empty()) return 0;
    const auto pitch = pitch_of(image_width_), size = (image_height_ + 2) * pitch;
    const auto corner = (top_ + 1) * pitch + left_;
    Work work(levels_);
    std::int64_t most = 0;
    for (std::int64_t plane = 0; plane < planes; ++plane) {
        double* of_f = f + plane * size + corner;
        const bool pulled = guidance != nullptr && !trust_.empty();
        if (pulled) set_pull(guidance + plane * size + corner, pitch, work);
        // off all known pixels and back on: rounding goes with the contrast, not with the level
        const double level = any_known(of_f, pitch);
        for (std::int64_t y = 0; y < height_; ++y) {
            const float* inverse = levels_[0].inverse_diagonal.data() + y * levels_[0].pitch;
            for (std::int64_t x = 0; x < width_; ++x) work.f[y][x] = inverse[x] != 0 ? 0 : of_f[y * pitch + x] - level;
        }
        const auto [cycles, share] = solve(pulled, tolerance, work);
        most = std::max(most, cycles), reached[plane] = share;
        for (std::int64_t y = 0; y < height_; ++y) {
            const float* inverse = levels_[0].inverse_diagonal.data() + y * levels_[0].pitch;
            for (std::int64_t x = 0; x < width_; ++x)
                if (inverse[x] != 0) of_f[y * pitch + x] = work.f[y][x] + level;
        }
    }
    return most;
}

double Plate::any_known(const double* f, std::int64_t pitch) const {
    for (std::int64_t y = 0; y < height_; ++y) {
        const float* inverse = levels_[0].inverse_diagonal.data() + y * levels_[0].pitch;
        for (std::int64_t x = 0; x < width_; ++x)
            if (inverse[x] == 0) return f[y * pitch + x];
    }
    return 0;
}

void Plate::set_pull(const double* guidance, std::int64_t pitch, Work& work) const {
    // p has no other use yet
    for (std::int64_t y = 0; y < height_; ++y) std::copy_n(guidance + y * pitch, width_, work.p[y]);
    for (std::int64_t y = 0; y < height_; ++y) {
        double *bend = work.rows[0], *to = work.pull[y];
        laplacian<double>(work.p, nullptr, 0, levels_[0], y, bend);
        const double *row = work.p[y], *trust = trust_.data() + y * width_;
        for (std::int64_t x = 0; x < width_; ++x) to[x] = trust[x] * bend[x] - tension_ * row[x];
    }
}

Plate::Solved Plate::solve(bool pulled, double tolerance, Work& work) const {
    double squares = residual(pulled, work);
    const double goal = tolerance * tolerance * squares;
    std::int64_t cycles = 0;
    while (squares > goal) {
        const double before = squares;
        cycles += add_solution(squares, std::max(LAST * LAST * goal, ROUND * ROUND * squares), work);
        squares = residual(pulled, work);
        if (!(squares <= std::max(goal, before / 4))) break;
    }
    return {cycles, squares > 0 ? std::sqrt(squares / goal) * tolerance : 0.0};
}

double Plate::residual(bool pulled, Work& work) const {
    const Level& finest = levels_[0];
    Doubles square{};
    const auto* pull = pulled ? &work.pull : nullptr;
    twice(work.f, pull, tension_, finest, work.rows, [&](std::int64_t y) {
        const float* inverse = finest.inverse_diagonal.data() + y * finest.pitch;
        return [=, &square, of_r = work.r[y]](std::int64_t x, const Doubles& found) {
            const Doubles left = -found * mask(inverse + x);
            square += left * left;
            store(left, of_r + x);
        };
    });
    return total(square);
}

std::int64_t Plate::add_solution(double squares, double content, Work& work) const {
    auto& [b, r, z, p, q, rows, line] = work.levels[0];
    // what a V-cycle finds in the residual is close to the error, of which the residual itself says little
    const double share = ERROR * std::sqrt(content / squares) / LAST;
    double product = 0, enough = 0;
    work.p.clear();
    for (std::int64_t cycles = 1; cycles <= MOST_CYCLES; ++cycles) {
        for (std::int64_t y = 0; y < height_; ++y) narrow(work.r[y], levels_[0].unknown[y], b[y]);
        cycle(0, work);
        const auto found = estimate(work.r, z, levels_[0]);
        if (cycles == 1) enough = share * found.largest;
        if (squares <= content && found.largest <= enough) {
            // the estimate of the error is its correction too
            for (std::int64_t y = 0; y < height_; ++y)
                for (const std::int64_t x : levels_[0].unknown[y])
                    store(load_doubles(work.f[y] + x) + load_doubles(z[y] + x), work.f[y] + x);
            return cycles;
        }
        const double beta = cycles > 1 ? found.product / product : 0;
        product = found.product;
        const double energy = turn(z, beta, tension_, levels_[0], work.p, work.bend);
        // r is below what float holds
        if (!(energy > 0)) return cycles;
        squares = advance(product / energy, work);
    }
    return MOST_CYCLES;
}

double Plate::advance(double alpha, Work& work) const {
    const Level& finest = levels_[0];
    Doubles square{};
    for (std::int64_t y = 0; y < height_; ++y) {
        const float* inverse = finest.inverse_diagonal.data() + y * finest.pitch;
        const double* of_p = work.p[y];
        double *of_f = work.f[y], *of_r = work.r[y];
        second(finest, y, [&](std::int64_t row) { return work.bend[row]; }, [=, &square](auto x, const Doubles& Kp) {
            const Doubles left = (load_doubles(of_r + x) - alpha * Kp) * mask(inverse + x);
            square += left * left;
            store(left, of_r + x);
            store(load_doubles(of_f + x) + alpha * load_doubles(of_p + x), of_f + x);
        });
    }
    return total(square);
}

Plates::Plates(const std::uint8_t* missing, std::int64_t holes, std::int64_t height, std::int64_t width,
               double tension) {
    std::unordered_map<std::string_view, std::shared_ptr<const Plate>> known;
    for (std::int64_t hole = 0; hole < holes; ++hole) {
        const std::uint8_t* pixels = missing + hole * height * width;
        auto& plate = known[{reinterpret_cast<const char*>(pixels), static_cast<std::size_t>(height * width)}];
        if (!plate) plate = std::make_shared<const Plate>(pixels, height, width, tension);
        plates_.push_back(plate);
    }
}

std::int64_t Plates::solve(double* f, const double* guidance, std::int64_t planes, double tolerance,
                           double* reached) const {
    const auto each = planes / holes(), size = (height() + 2) * pitch_of(width());
    std::int64_t most = 0;
    for (std::int64_t plane = 0; plane < planes; plane += each) {
        const double* of_guidance = guidance == nullptr ? nullptr : guidance + plane * size;
        const Plate& plate = *plates_[plane / each];
        most = std::max(most, plate.solve(f + plane * size, of_guidance, each, tolerance, reached + plane));
    }
    return most;
}

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
