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
// squares of distances up to which c is looked up
constexpr double MOST_KNOWN = 1024;
// as far as a missing pixel's equation looks
constexpr std::int64_t REACH = 2;

// p = z + beta p, q = K p, and p . q
double turn(const Field<float>& z, double beta, double tension, const Level& level, Field<double>& p,
            Field<double>& q) {
    const float *from = z.cells(), *inverse = level.inverse_diagonal.data();
    double *of_p = p.cells(), *of_q = q.cells();
    for (const auto at : level.unknown) store(beta * load_doubles(of_p + at) + load_doubles(from + at), of_p + at);
    mirror(level, p);
    Doubles energy{};
    for (const auto at : level.unknown) {
        const Doubles Kp = thirteen_points(of_p + at, level.pitch, tension) * mask(inverse + at);
        energy += load_doubles(of_p + at) * Kp;
        store(Kp, of_q + at);
    }
    return total(energy);
}

// f += alpha p and r -= alpha q; returns r . r
double advance(double alpha, const Level& level, const Field<double>& p, const Field<double>& q, Field<double>& f,
               Field<double>& r) {
    const double *of_p = p.cells(), *of_q = q.cells();
    double *of_f = f.cells(), *of_r = r.cells();
    Doubles square{};
    for (const auto at : level.unknown) {
        const Doubles left = load_doubles(of_r + at) - alpha * load_doubles(of_q + at);
        square += left * left;
        store(left, of_r + at);
        store(load_doubles(of_f + at) + alpha * load_doubles(of_p + at), of_f + at);
    }
    return total(square);
}

// as floats
void narrow(const Field<double>& from, const Level& level, Field<float>& to) {
    const double* cells = from.cells();
    float* out = to.cells();
    for (const auto at : level.unknown) store<float>(__builtin_convertvector(load_doubles(cells + at), V), out + at);
}

// r . z and the largest |z|
struct Estimate {
    double product;
    float largest;
};

Estimate estimate(const Field<double>& r, const Field<float>& z, const Level& level) {
    const double* of_r = r.cells();
    const float* of_z = z.cells();
    Doubles products{};
    V sizes{};
    for (const auto at : level.unknown) {
        products += load_doubles(of_r + at) * load_doubles(of_z + at);
        const V size = absolute(load(of_z + at));
        sizes = size > sizes ? size : sizes;
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
    mirror(levels_[0], work.p);
    for (std::int64_t y = 0; y < height_; ++y) {
        const double *row = work.p[y], *above = work.p[y - 1], *below = work.p[y + 1], *trust = trust_.data() + y * width_;
        double* to = work.pull[y];
        for (std::int64_t x = 0; x < width_; ++x)
            to[x] = trust[x] * ((above[x] + below[x]) + (row[x - 1] + row[x + 1]) - 4 * row[x]) - tension_ * row[x];
    }
    mirror(levels_[0], work.pull);
}

Plate::Solved Plate::solve(bool pulled, double tolerance, Work& work) const {
    double squares = residual(pulled, work);
    const double goal = tolerance * tolerance * squares;
    std::int64_t cycles = 0;
    while (squares > goal) {
        const double before = squares;
        cycles += add_solution(squares, std::max(last_ * last_ * goal, ROUND * ROUND * squares), work);
        squares = residual(pulled, work);
        if (!(squares <= std::max(goal, before / 4))) break;
    }
    return {cycles, squares > 0 ? std::sqrt(squares / goal) * tolerance : 0.0};
}

double Plate::residual(bool pulled, Work& work) const {
    const Level& finest = levels_[0];
    const float* inverse = finest.inverse_diagonal.data();
    const double *f = work.f.cells(), *pull = work.pull.cells();
    double* r = work.r.cells();
    mirror(finest, work.f);
    Doubles square{};
    for (const auto at : finest.unknown) {
        Doubles left = -thirteen_points(f + at, finest.pitch, tension_);
        if (pulled) left += five_points(pull + at, finest.pitch);
        left *= mask(inverse + at);
        square += left * left;
        store(left, r + at);
    }
    return total(square);
}

std::int64_t Plate::add_solution(double squares, double content, Work& work) const {
    auto& [b, r, z, before, line] = work.levels[0];
    // what a V-cycle finds in the residual is close to the error, of which the residual itself says little
    const double share = ERROR * std::sqrt(content / squares) / last_;
    double product = 0, enough = 0;
    work.p.clear();
    for (std::int64_t cycles = 1; cycles <= MOST_CYCLES; ++cycles) {
        narrow(work.r, levels_[0], b);
        cycle(0, work);
        const auto found = estimate(work.r, z, levels_[0]);
        if (cycles == 1) enough = share * found.largest;
        if (squares <= content && found.largest <= enough) {
            // the estimate of the error is its correction too
            double* f = work.f.cells();
            for (const auto at : levels_[0].unknown)
                store(load_doubles(f + at) + load_doubles(z.cells() + at), f + at);
            return cycles;
        }
        const double beta = cycles > 1 ? found.product / product : 0;
        product = found.product;
        const double energy = turn(z, beta, tension_, levels_[0], work.p, work.q);
        // r is below what float holds
        if (!(energy > 0)) return cycles;
        squares = advance(product / energy, levels_[0], work.p, work.q, work.f, work.r);
    }
    return MOST_CYCLES;
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
