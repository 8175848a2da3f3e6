// The search beyond z for one image, from the encoder's guess to T: search/latent_search.py, as search/course.py does it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "search/network.hpp"
#include "search/objective.hpp"
#include "search/search_file.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {

class LatentSearch {
public:
    explicit LatentSearch(SearchNumbers numbers);

    // Writes T, (channels, size, size) in [0, 1].  image: likewise, whatever it holds where it is missing; missing:
    // (size, size), 0 = known.
    void operator()(const float* image, const std::uint8_t* missing, float* generated) const;

    std::int64_t size() const { return numbers_.size; }
    std::int64_t channels() const { return numbers_.channels; }
    double tension() const { return numbers_.tension; }
    const std::string& facts() const { return numbers_.facts; }

private:
    // the encoder's, of an image that is 0 where it is missing
    std::vector<float> guess(const std::vector<float>& image, const std::vector<float>& known) const;
    void descend(const Stage& stage, const Objective& objective, std::vector<float>& u) const;

    // without weights, which the layers have
    SearchNumbers numbers_;
    std::vector<Layer> encoder_, generator_;
};

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
