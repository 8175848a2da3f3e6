// Restores the missing part of a face, without Python:  inpaint MODEL.pt2 FACE.ppm HOLE.pgm OUT.ppm [SEED]
// MODEL.pt2 is what `faceinpaint export` wrote, FACE a PPM (P6) of 64x64, HOLE a PGM (P5) of its size, white = fill.
#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>

#include <cmath>
#include <fstream>
#include <iostream>
#include <limits>

#include "blend/plate.hpp"

using at::Tensor;

constexpr std::int64_t SIDE = 64, ATTEMPTS = 4;
constexpr double TENSION = 0.5, DEPTH = 3, TOLERANCE = 1e-5;  // of the blend: docs/poisson.md

// (SIDE, SIDE, channels) bytes
Tensor read(const char* path, const std::string& format, std::int64_t channels) {
    std::ifstream file(path, std::ios::binary);
    std::string magic;
    std::int64_t width = 0, height = 0, white = 0;
    file >> magic;
    for (auto* number : {&width, &height, &white}) {
        while (file >> std::ws && file.peek() == '#') file.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
        file >> *number;
    }
    file.get();
    const auto pixels = at::zeros({SIDE, SIDE, channels}, at::kByte);
    file.read(static_cast<char*>(pixels.data_ptr()), pixels.numel());
    TORCH_CHECK(file && magic == format && width == SIDE && height == SIDE && white == 255, path, ": expected ", format,
                " of ", SIDE, "x", SIDE, " pixels with 256 levels");
    return pixels;
}

// (ATTEMPTS, 1, size) from N(0, 1): the numbers that Python draws from a seed
Tensor draws(std::uint64_t seed, std::int64_t size) {
    const auto generator = at::detail::createCPUGenerator(seed);
    std::vector<Tensor> drawn;
    for (int i = 0; i < ATTEMPTS; ++i) drawn.push_back(at::randn({1, size}, generator));
    return at::stack(drawn);
}

// F as `tension_blend` has it, of I and T (3, SIDE, SIDE), double, and the hole (SIDE, SIDE), bool
Tensor blend(const Tensor& image, const Tensor& generated, const Tensor& hole) {
    const faceinpaint::Biharmonic plate(hole.view(at::kByte).data_ptr<std::uint8_t>(), SIDE, SIDE, TENSION);
    const auto framed = [&](const Tensor& planes) {
        return at::constant_pad_nd(planes, {0, plate.pitch() - SIDE, 1, 1});
    };
    const auto numbers = [](const Tensor& tensor) { return tensor.data_ptr<double>(); };
    const auto places = [](const Tensor& pixels) { return pixels.nonzero().to(at::kDouble); };
    const auto distance = at::cdist(places(hole), places(~hole)).amin(1);
    // the deeper in the hole, the more the plate bends as T does
    const auto depth = -at::expm1(-TENSION * (distance / DEPTH).square());
    const auto trust = at::zeros_like(generated[0]).masked_scatter(hole, depth);
    const auto beyond = at::replication_pad2d(generated, {1, 1, 1, 1});
    const auto shifted = [&](int y, int x) { return beyond.narrow(1, y, SIDE).narrow(2, x, SIDE); };
    const auto laplacian = shifted(0, 1) + shifted(2, 1) + shifted(1, 0) + shifted(1, 2) - 4 * generated;

    const auto expected = framed(trust * laplacian - TENSION * generated), f = framed(image.masked_fill(hole, 0));
    const auto r = at::zeros_like(f), squares = at::zeros(3, at::kDouble);
    plate.residual(numbers(f), numbers(expected), 3, numbers(r), numbers(squares));
    const auto goal = TOLERANCE * TOLERANCE * squares, content = goal / 4;
    plate.add_solution(numbers(r), numbers(squares), numbers(content), 3, numbers(f));
    plate.residual(numbers(f), numbers(expected), 3, numbers(r), numbers(squares));
    TORCH_CHECK((squares <= goal).all().item<bool>(), "blend: expected a relative residual of ", TOLERANCE);
    return f.narrow(1, 1, SIDE).narrow(2, 0, SIDE);
}

int main(int count, char** arguments) try {
    TORCH_CHECK(count == 5 || count == 6, "usage: ", arguments[0], " MODEL.pt2 FACE.ppm HOLE.pgm OUT.ppm [SEED]");
    const auto face = read(arguments[2], "P6", 3), hole = read(arguments[3], "P5", 1).squeeze(-1) >= 128;
    TORCH_CHECK(hole.any().item<bool>() && !hole.all().item<bool>(), arguments[3], ": expected black and white");

    torch::inductor::AOTIModelPackageLoader search(arguments[1]);
    const auto metadata = search.get_metadata();
    const auto start = draws(count == 6 ? std::stoull(arguments[5]) : 0, std::stoll(metadata.at("latent_size")));
    const auto image = face.permute({2, 0, 1}).contiguous().to(at::kDouble) / 255;
    std::vector<Tensor> inputs{image.to(at::kFloat).unsqueeze(0), hole.to(at::kFloat).unsqueeze(0), start};
    for (auto& input : inputs) input = input.to(at::Device(metadata.at("AOTI_DEVICE_KEY")));
    const auto found = search.run(inputs);  // z^, T, the loss
    const auto loss = found[2].item<float>();
    TORCH_CHECK(std::isfinite(loss), "expected a finite loss, got NaN from every start");

    const auto blended = blend(image, found[1][0].cpu().to(at::kDouble), hole).clamp(0, 1);
    const auto filled = (255 * blended).round().to(at::kByte).permute({1, 2, 0});
    const auto restored = at::where(hole.unsqueeze(-1), filled, face).contiguous();
    std::ofstream file(arguments[4], std::ios::binary);
    file << "P6\n" << SIDE << ' ' << SIDE << "\n255\n";
    file.write(static_cast<const char*>(restored.data_ptr()), restored.numel());
    file.close();
    TORCH_CHECK(file, arguments[4], ": expected a place that can be written to");
    std::cout << arguments[4] << ": loss " << loss << '\n';
} catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 2;
}
