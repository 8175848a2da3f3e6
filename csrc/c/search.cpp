#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

#include "c/faceinpaint_search.h"
#include "search/latent_search.hpp"

using namespace faceinpaint;

struct faceinpaint_search {
    LatentSearch search;
};

faceinpaint_search* faceinpaint_search_open(const std::uint8_t* file, std::size_t bytes) {
    auto numbers = read_search(file, bytes);
    return numbers ? new faceinpaint_search{LatentSearch(std::move(*numbers))} : nullptr;
}

void faceinpaint_search_close(faceinpaint_search* search) { delete search; }

int faceinpaint_search_size(const faceinpaint_search* search) { return static_cast<int>(search->search.size()); }

int faceinpaint_search_channels(const faceinpaint_search* search) { return static_cast<int>(search->search.channels()); }

double faceinpaint_search_tension(const faceinpaint_search* search) { return search->search.tension(); }

const char* faceinpaint_search_facts(const faceinpaint_search* search) { return search->search.facts().c_str(); }

int faceinpaint_search_run(const faceinpaint_search* search, const float* images, const std::uint8_t* missing, int count,
                           float* generated) {
    const LatentSearch& of_one = search->search;
    const std::int64_t area = of_one.size() * of_one.size(), numbers = of_one.channels() * area;
    const auto is_finite = [](float each) { return std::isfinite(each); };
    for (std::int64_t i = 0; i < count * numbers; ++i)
        if (!missing[i / numbers * area + i % area] && !is_finite(images[i])) return FACEINPAINT_NOT_A_NUMBER;
    // images may stand where they go
    std::vector<float> found(count * numbers);
    for (std::int64_t i = 0; i < count; ++i) of_one(images + i * numbers, missing + i * area, found.data() + i * numbers);
    if (!std::all_of(found.begin(), found.end(), is_finite)) return FACEINPAINT_LOST;
    std::copy(found.begin(), found.end(), generated);
    return FACEINPAINT_FOUND;
}
