// What a search minimises of one image, by its gradient: L1 as a mean over the weights of the known pixels, and SSIM as
// one over windows by how much of each is known: search/objective.py, the "masked" normalisation.
#pragma once

#include <cstdint>
#include <vector>

#include "losses/ssim_l1.hpp"
#include "search/search_file.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {

class Objective {
public:
    // image    (channels, size, size) in [0, 1], 0 where missing
    // known    (size, size), 1 = known, 0 = missing
    // weights  (size, size), Eq. 7
    // search   stays where it is
    Objective(const SearchNumbers& search, const std::vector<float>& image, const std::vector<float>& known,
              const std::vector<float>& weights);

    // The gradient of Eq. 8's terms of the image in x, in [-1, 1], of x in [0, 1]; both (channels, size, size).
    void gradient(const std::vector<float>& unit, std::vector<float>& gradient) const;

private:
    const SearchNumbers& search_;
    Batch batch_;
    LocalWindow<float> window_;
    // SsimTarget's
    std::vector<float> w_, v_, mean_, variance_, share_;
    // derivatives of Eq. 8 in SSIM and in L1
    float of_ssim_, of_l1_;
};

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
