// Restores the missing part of a face, without Python:  inpaint MODEL.pt2 FACE.ppm HOLE.pgm OUT.ppm [SEED]
// MODEL.pt2 is what `faceinpaint export` wrote, FACE a PPM (P6) of the model's size, HOLE a PGM (P5), white = fill.
#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>

#include <cmath>
#include <fstream>
#include <iostream>
#include <limits>
#include <sstream>
#include <stdexcept>
#include <string>

#include "faceinpaint_blend.h"

using at::Tensor;

// an error of one line unless it holds; TORCH_CHECK would add where it was raised
template <typename... Parts>
void expect(bool holds, const Parts&... parts) {
    if (holds) return;
    std::ostringstream line;
    (line << ... << parts);
    throw std::runtime_error(line.str());
}

// of an error of libtorch's: where it was raised comes below
std::string first_line(const std::exception& error) {
    const std::string text = error.what();
    return text.substr(0, text.find('\n'));
}

torch::inductor::AOTIModelPackageLoader load(const std::string& path) try {
    return torch::inductor::AOTIModelPackageLoader(path);
} catch (const std::exception& error) {
    throw std::runtime_error(path + ": expected what faceinpaint export wrote, got: " + first_line(error));
}

// (size, size, channels) bytes
Tensor read(const char* path, const std::string& format, std::int64_t size, std::int64_t channels) {
    std::ifstream file(path, std::ios::binary);
    std::string magic;
    std::int64_t width = 0, height = 0, white = 0;
    file >> magic;
    for (auto* number : {&width, &height, &white}) {
        while (file >> std::ws && file.peek() == '#') file.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
        file >> *number;
    }
    file.get();
    const auto pixels = at::zeros({size, size, channels}, at::kByte);
    file.read(static_cast<char*>(pixels.data_ptr()), pixels.numel());
    expect(file.good() && magic == format && width == size && height == size && white == 255, path, ": expected ", format, " of ",
           size, "x", size, " pixels with 256 levels");
    return pixels;
}

// (attempts, 1, size) from N(0, 1): the numbers that Python draws from a seed
Tensor draws(std::uint64_t seed, std::int64_t attempts, std::int64_t size) {
    const auto generator = at::detail::createCPUGenerator(seed);
    std::vector<Tensor> drawn;
    for (int i = 0; i < attempts; ++i) drawn.push_back(at::randn({1, size}, generator));
    return at::stack(drawn);
}

// F as `tension_blend` has it, of I and T (channels, height, width), float, and the hole (height, width), bool
Tensor blend(const Tensor& image, const Tensor& generated, const Tensor& hole, double tension) {
    const auto blended = at::empty_like(image), missing = hole.to(at::kByte);
    const auto numbers = [](const Tensor& tensor) { return tensor.data_ptr<float>(); };
    const auto side = [&](int axis) { return static_cast<int>(image.size(axis)); };
    const auto outcome = faceinpaint_blend(numbers(image), numbers(generated), missing.data_ptr<std::uint8_t>(), side(0),
                                           side(1), side(2), tension, numbers(blended));
    expect(outcome == FACEINPAINT_BLENDED, "blend: expected numbers that can be solved for, got outcome ", outcome);
    return blended;
}

int main(int count, char** arguments) try {
    expect(count == 5 || count == 6, "usage: ", arguments[0], " MODEL.pt2 FACE.ppm HOLE.pgm OUT.ppm [SEED]");
    auto search = load(arguments[1]);
    const auto metadata = search.get_metadata();
    const auto number = [&](const char* name) { return std::stoll(metadata.at(name)); };
    const auto size = number("size"), channels = number("channels");
    expect(channels == 3, arguments[1], ": expected a model of colours, got ", channels, " channels");
    const auto face = read(arguments[2], "P6", size, channels);
    const auto hole = read(arguments[3], "P5", size, 1).squeeze(-1) >= 128;
    expect(hole.any().item<bool>() && !hole.all().item<bool>(), arguments[3], ": expected black and white");

    const std::string text = count == 6 ? arguments[5] : "0";
    const bool digits = !text.empty() && text.size() < 20 && text.find_first_not_of("0123456789") == std::string::npos;
    expect(digits, "SEED: expected a whole number of up to 19 digits, got ", text);
    const auto seed = std::stoull(text);
    const auto start = draws(seed, number("attempts"), number("latent_size"));
    const auto image = face.permute({2, 0, 1}).to(at::kFloat).contiguous() / 255;
    std::vector<Tensor> inputs{image.unsqueeze(0), hole.to(at::kFloat).unsqueeze(0), start};
    for (auto& input : inputs) input = input.to(at::Device(metadata.at("AOTI_DEVICE_KEY")));
    const auto found = search.run(inputs);  // z^, T, the loss
    const auto loss = found[2].item<float>();
    expect(std::isfinite(loss), "expected a finite loss, got NaN from every start");

    const auto generated = found[1][0].cpu().contiguous();
    const auto blended = blend(image, generated, hole, std::stod(metadata.at("tension"))).clamp(0, 1);
    const auto filled = (255 * blended).round().to(at::kByte).permute({1, 2, 0});
    const auto restored = at::where(hole.unsqueeze(-1), filled, face).contiguous();
    std::ofstream file(arguments[4], std::ios::binary);
    file << "P6\n" << size << ' ' << size << "\n255\n";
    file.write(static_cast<const char*>(restored.data_ptr()), restored.numel());
    file.close();
    expect(file.good(), arguments[4], ": expected a place that can be written to");
    std::cout << arguments[4] << ": loss " << loss << '\n';
} catch (const std::exception& error) {
    std::cerr << first_line(error) << '\n';
    return 2;
}
