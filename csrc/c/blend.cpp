#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "blend/plate.hpp"
#include "c/faceinpaint_blend.h"
#include "c/planes.hpp"

int faceinpaint_blend(const float* image, const float* generated, const std::uint8_t* missing, int channels, int height,
                      int width, double tension, float* out) {
    using namespace faceinpaint;
    if (channels < 1 || height < 1 || width < 1 || !(tension > 0) || !std::isfinite(tension)) return FACEINPAINT_NO_IMAGE;
    const std::size_t pixels = static_cast<std::size_t>(height) * width;
    // any byte but 0 is true
    std::vector<std::uint8_t> hole(pixels);
    std::transform(missing, missing + pixels, hole.begin(), [](std::uint8_t each) { return each != 0; });
    if (std::find(hole.begin(), hole.end(), 0) == hole.end()) return FACEINPAINT_NOTHING_KNOWN;
    const Extent extent{1, channels, height, width, pitch_of(width), 1};
    const std::size_t numbers = static_cast<std::size_t>(channels) * (height + 2) * extent.pitch;
    std::vector<double> f(numbers), guidance(numbers), reached(channels);
    const std::vector<std::uint8_t> nowhere(pixels);
    const auto as_bool = [](const std::vector<std::uint8_t>& bytes) { return reinterpret_cast<const bool*>(bytes.data()); };
    const Pixels<const float> none{};
    take_offsets<float, float>(planes(image, height, width), none, as_bool(hole), extent, f.data(), reached.data());
    take_offsets<float, float>(planes(generated, height, width), none, as_bool(nowhere), extent, guidance.data(),
                               reached.data());
    const auto finite = [](double each) { return std::isfinite(each); };
    if (!std::all_of(f.begin(), f.end(), finite) || !std::all_of(guidance.begin(), guidance.end(), finite))
        return FACEINPAINT_NOT_FINITE;
    const Plate plate(hole.data(), height, width, tension);
    plate.solve(f.data(), guidance.data(), channels, TOLERANCE, reached.data());
    const bool solved = std::all_of(reached.begin(), reached.end(), [](double each) { return each <= TOLERANCE; });
    if (!solved) return FACEINPAINT_NOT_SOLVED;
    if (out != image) std::copy_n(image, channels * pixels, out);
    put_sums<float, float>(f.data(), none, as_bool(hole), extent, planes(out, height, width));
    return FACEINPAINT_BLENDED;
}
