// What the layers of a DCGAN have in common: their images' shapes, and what becomes of a sum once it is complete.
#pragma once

#include <cstdint>
#include <memory>

#include "layers/numbers.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {

// Images (count, 2 height, 2 width, channels); their halves (count, height, width, depth).
struct Halving {
    std::int64_t count, height, width, channels, depth;
};

// What becomes of a sum: times scale, + bias of its channel; and that times slope where `gate` at the same place is not
// above 0, or where itself is not if there is no gate.  That is BatchNorm with ReLU (slope 0), DCGAN's leaky one (0.2) or
// none (1); and, with what an activation once gave as the gate, the way of a gradient back through both.  `gate` may be
// where the result goes.
template <class Number>
struct Finish {
    const float* scale;
    const float* bias;
    float slope;
    const Number* gate;
};

template <class Number>
float finished(float sum, Number gate, float slope) {
    // a choice of factors, not of results, is no branch, of which half would be foreseen wrongly
    return sum * (to_float(gate) > 0 ? 1.0F : slope);
}

// sum(i): of number i of `size`, whose place is at + i
template <class Sum, class Number>
void finish_row(const Sum& sum, std::int64_t size, Finish<Number> finish, std::int64_t at, Number* out) {
    const auto scaled = [&](std::int64_t i) { return sum(i) * finish.scale[i] + finish.bias[i]; };
    if (finish.gate)
        for (std::int64_t i = 0; i < size; ++i)
            out[at + i] = round_to<Number>(finished(scaled(i), finish.gate[at + i], finish.slope));
    else
        for (std::int64_t i = 0; i < size; ++i)
            out[at + i] = round_to<Number>(finished(scaled(i), scaled(i), finish.slope));
}

// Memory that nobody reads before it is written.
template <class Number>
std::unique_ptr<Number[]> fresh(std::int64_t count) {
    return std::unique_ptr<Number[]>(new Number[count]);
}

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
