// A search beyond z as numbers: the networks, what it minimises, and every step of its stages.  export/search_file.py
// writes them, who decides all that there is to decide; nothing of it is known here.
//
// A file of it, little-endian, i an int32, f a float32, d a float64, H a float16, one thing behind the other:
//
//     8 bytes "FACEFIND", i format, 1
//     i size, i channels, i radius, d scale           of images, and of Eq. 7: weight_map.hpp
//     f lambda_c, f lambda_s, f c1, f c2              of Eq. 8 and of Eq. 2
//     i count, f taps[count]                          of SSIM's window
//     f beta1, f beta2, f epsilon, f bound            AdamRule
//     i count, stages: i layer, i count, f steps[count][4]              AdamSteps
//     i count, the encoder's layers; i count, the generator's: from the input on, each
//     i depth, i channels, f slope, i outputs, f scale[outputs], f bias[outputs], i half,
//     weights[depth][4][4][channels]                  H where half is 1, f where it is 0
//     d tension                                       of the blend: faceinpaint_blend.h
//     i count, facts[count]                           what it says of itself: JSON, UTF-8
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "level.hpp"
#include "search/adam.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {

// A layer of networks/layers.py.
struct LayerNumbers {
    std::int64_t depth, channels;
    // of its activation below 0
    float slope;
    // (outputs,), of BatchNorm
    std::vector<float> scale, bias;
    // (depth, 16 channels), columns counting (ky, kx, channel)
    std::vector<float> weights;
};

struct Stage {
    // whose activations are searched, counted from 1
    std::int64_t layer;
    std::vector<AdamStep> steps;
};

struct SearchNumbers {
    std::int64_t size, channels, radius;
    double scale;
    float lambda_c, lambda_s, c1, c2;
    std::vector<float> taps;
    AdamRule rule;
    std::vector<Stage> stages;
    std::vector<LayerNumbers> encoder, generator;
    double tension;
    std::string facts;
};

// Returns what a file holds, or nothing where it is no such file, or its parts do not fit each other.
std::optional<SearchNumbers> read_search(const std::uint8_t* bytes, std::size_t count);

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
