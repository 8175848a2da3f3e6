#include "search/search_file.hpp"

#include <algorithm>
#include <cstring>

#include "losses/window_filter.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {
namespace {

constexpr char NAME[] = "FACEFIND";
constexpr std::int32_t FORMAT = 1;
// pixels or channels, far more than any DCGAN has, steps, and bytes
constexpr std::int64_t MOST = 4096, MOST_STEPS = 1 << 24, MOST_FACTS = 1 << 24;

// A finite number of half precision: its bits in a float's place are those of a number 2^112 times as small.
float of_half(std::uint16_t bits) {
    const std::uint32_t magnitude = std::uint32_t{bits & 0x7fffU} << 13;
    float number;
    std::memcpy(&number, &magnitude, sizeof number);
    number *= 0x1p112F;
    return bits & 0x8000U ? -number : number;
}

// Reads a file from its first byte to its last; beyond that there are zeros.
class Reader {
public:
    Reader(const std::uint8_t* bytes, std::size_t count) : bytes_(bytes), left_(count) {}

    bool is_whole() const { return !failed_ && left_ == 0; }

    template <class T>
    T next() {
        T value{};
        take(&value, 1);
        return value;
    }
    // a number from 1 to `most`, or else 0
    std::int64_t next_count(std::int64_t most = MOST) {
        const auto count = next<std::int32_t>();
        failed_ = failed_ || count < 1 || count > most;
        return failed_ ? 0 : count;
    }
    template <class T>
    std::vector<T> next(std::int64_t count) {
        // before there is memory for them
        failed_ = failed_ || left_ / sizeof(T) < static_cast<std::size_t>(count);
        std::vector<T> values(failed_ ? 0 : count);
        take(values.data(), static_cast<std::int64_t>(values.size()));
        return values;
    }

private:
    template <class T>
    void take(T* values, std::int64_t count) {
        const std::size_t size = count * sizeof(T);
        failed_ = failed_ || left_ < size;
        if (failed_ || !size) return;
        std::memcpy(values, bytes_, size);
        bytes_ += size;
        left_ -= size;
    }

    const std::uint8_t* bytes_;
    std::size_t left_;
    bool failed_ = false;
};

LayerNumbers read_layer(Reader& reader) {
    LayerNumbers layer{};
    layer.depth = reader.next_count();
    layer.channels = reader.next_count();
    layer.slope = reader.next<float>();
    const auto outputs = reader.next_count();
    layer.scale = reader.next<float>(outputs);
    layer.bias = reader.next<float>(outputs);
    const auto numbers = layer.depth * 16 * layer.channels;
    if (reader.next<std::int32_t>()) {
        const auto halves = reader.next<std::uint16_t>(numbers);
        layer.weights.resize(halves.size());
        std::transform(halves.begin(), halves.end(), layer.weights.begin(), of_half);
    } else {
        layer.weights = reader.next<float>(numbers);
    }
    return layer;
}

std::vector<LayerNumbers> read_layers(Reader& reader) {
    std::vector<LayerNumbers> layers(reader.next_count());
    for (auto& layer : layers) layer = read_layer(reader);
    return layers;
}

Stage read_stage(Reader& reader) {
    Stage stage{reader.next<std::int32_t>(), {}};
    const auto steps = reader.next_count(MOST_STEPS);
    const auto numbers = reader.next<float>(4 * steps);
    for (std::size_t i = 0; i + 4 <= numbers.size(); i += 4)
        stage.steps.push_back({numbers[i], numbers[i + 1], numbers[i + 2], numbers[i + 3]});
    return stage;
}

// Whether layers, from the one at the image on, lead from so many channels of that size down to 1x1 pixels.
template <class Layers>
bool lead_down(const Layers& first, const Layers& last, std::int64_t size, std::int64_t channels) {
    for (auto layer = first; layer != last; ++layer) {
        if (layer->channels != channels || size < 4) return false;
        channels = layer->depth;
        size = size == 4 ? 1 : size % 2 ? 0 : size / 2;
    }
    return size == 1;
}

bool fits(const SearchNumbers& search) {
    const auto &encoder = search.encoder, &generator = search.generator;
    const auto window = static_cast<std::int64_t>(search.taps.size());
    if (window % 2 == 0 || window < 3 || window > LARGEST_WINDOW || search.size < window || search.radius < 0) return false;
    if (!lead_down(encoder.begin(), encoder.end(), search.size, search.channels + 1) ||
        !lead_down(generator.rbegin(), generator.rend(), search.size, search.channels) ||
        encoder.back().depth != generator.front().depth)
        return false;
    const auto all_have = [](const auto& layers, auto outputs) {
        return std::all_of(layers.begin(), layers.end(), [&](const LayerNumbers& layer) {
            return static_cast<std::int64_t>(layer.scale.size()) == outputs(layer);
        });
    };
    if (!all_have(encoder, [](const LayerNumbers& layer) { return layer.depth; }) ||
        !all_have(generator, [](const LayerNumbers& layer) { return layer.channels; }))
        return false;
    std::int64_t before = 0;
    for (const Stage& stage : search.stages) {
        if (stage.layer <= before || stage.layer >= static_cast<std::int64_t>(generator.size())) return false;
        before = stage.layer;
    }
    return true;
}

}  // namespace

std::optional<SearchNumbers> read_search(const std::uint8_t* bytes, std::size_t count) {
    Reader reader(bytes, count);
    const auto name = reader.next<char>(sizeof NAME - 1);
    if (!std::equal(name.begin(), name.end(), NAME, NAME + sizeof NAME - 1)) return {};
    if (reader.next<std::int32_t>() != FORMAT) return {};
    SearchNumbers search{};
    search.size = reader.next_count();
    search.channels = reader.next_count();
    search.radius = reader.next<std::int32_t>();
    search.scale = reader.next<double>();
    for (float* each : {&search.lambda_c, &search.lambda_s, &search.c1, &search.c2}) *each = reader.next<float>();
    search.taps = reader.next<float>(reader.next_count());
    for (float* each : {&search.rule.beta1, &search.rule.beta2, &search.rule.epsilon, &search.rule.bound})
        *each = reader.next<float>();
    search.stages.resize(reader.next_count());
    for (Stage& stage : search.stages) stage = read_stage(reader);
    search.encoder = read_layers(reader);
    search.generator = read_layers(reader);
    search.tension = reader.next<double>();
    const auto facts = reader.next<char>(reader.next_count(MOST_FACTS));
    search.facts.assign(facts.begin(), facts.end());
    if (!reader.is_whole() || !fits(search)) return {};
    return search;
}

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
