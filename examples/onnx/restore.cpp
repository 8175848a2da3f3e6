// Restores the missing part of a face with onnxruntime's C API and the blend's:
// restore MODEL.onnx FACE.ppm HOLE.pgm OUT.ppm, which are what restore.py takes.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "faceinpaint_blend.h"
#include "onnxruntime_c_api.h"

const OrtApi* ort = OrtGetApiBase()->GetApi(ORT_API_VERSION);

void expect(bool holds, const std::string& told) {
    if (!holds) throw std::runtime_error(told);
}

void done(OrtStatus* status) { expect(status == nullptr, status ? ort->GetErrorMessage(status) : ""); }

// bytes, one pixel after the other
std::vector<std::uint8_t> read(const std::string& path, const std::string& kind, int size, int channels) {
    std::ifstream file(path, std::ios::binary);
    std::string magic;
    int width = 0, height = 0, white = 0;
    file >> magic >> width >> height >> white;
    file.get();
    std::vector<std::uint8_t> pixels(size * size * channels);
    file.read(reinterpret_cast<char*>(pixels.data()), pixels.size());
    expect(file && magic == kind && width == size && height == size && white == 255,
           path + ": expected " + kind + " of " + std::to_string(size) + " pixels a side with 256 levels");
    return pixels;
}

// a number that the file says of itself
double told(OrtModelMetadata* metadata, OrtAllocator* allocator, const char* name) {
    char* text = nullptr;
    done(ort->ModelMetadataLookupCustomMetadataMap(metadata, allocator, name, &text));
    expect(text != nullptr, std::string("expected what faceinpaint export wrote, got no ") + name);
    return std::stod(text);
}

OrtValue* tensor(OrtMemoryInfo* memory, std::vector<float>& numbers, const std::vector<std::int64_t>& shape) {
    OrtValue* value = nullptr;
    done(ort->CreateTensorWithDataAsOrtValue(memory, numbers.data(), numbers.size() * sizeof(float), shape.data(),
                                             shape.size(), ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, &value));
    return value;
}

// what onnxruntime made is left to the end of the program
int main(int count, char** arguments) try {
    expect(count == 5, std::string("usage: ") + arguments[0] + " MODEL.onnx FACE.ppm HOLE.pgm OUT.ppm");
    OrtEnv* environment;
    OrtSessionOptions* options;
    OrtSession* session;
    OrtModelMetadata* metadata;
    OrtAllocator* allocator;
    OrtMemoryInfo* memory;
    done(ort->CreateEnv(ORT_LOGGING_LEVEL_WARNING, "restore", &environment));
    done(ort->CreateSessionOptions(&options));
    done(ort->SetIntraOpNumThreads(options, 1));
    done(ort->CreateSession(environment, arguments[1], options, &session));
    done(ort->SessionGetModelMetadata(session, &metadata));
    done(ort->GetAllocatorWithDefaultOptions(&allocator));
    done(ort->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &memory));
    const int size = static_cast<int>(told(metadata, allocator, "size")), area = size * size;
    auto face = read(arguments[2], "P6", size, 3), missing = read(arguments[3], "P5", size, 1);
    std::vector<float> image(3 * area), hole(area), blended(3 * area);
    for (int i = 0; i < 3 * area; ++i) image[i] = face[i % area * 3 + i / area] / 255.0f;
    for (int i = 0; i < area; ++i) hole[i] = missing[i] = missing[i] >= 128;

    const char *names[] = {"images", "holes"}, *wanted[] = {"generated"};
    const OrtValue* given[] = {tensor(memory, image, {1, 3, size, size}), tensor(memory, hole, {1, 1, size, size})};
    OrtValue* found = nullptr;
    done(ort->Run(session, nullptr, names, given, 2, wanted, 1, &found));
    float* generated = nullptr;
    done(ort->GetTensorMutableData(found, reinterpret_cast<void**>(&generated)));
    const int outcome = faceinpaint_blend(image.data(), generated, missing.data(), 3, size, size,
                                          told(metadata, allocator, "tension"), blended.data());
    expect(outcome == FACEINPAINT_BLENDED, "expected known and missing pixels, got " + std::to_string(outcome));
    for (int i = 0; i < 3 * area; ++i)
        if (missing[i / 3]) face[i] = std::lrint(255 * std::clamp(blended[i % 3 * area + i / 3], 0.0f, 1.0f));
    std::ofstream file(arguments[4], std::ios::binary);
    file << "P6\n" << size << ' ' << size << "\n255\n";
    file.write(reinterpret_cast<const char*>(face.data()), face.size());
    expect(file.good(), std::string(arguments[4]) + ": expected a place that can be written to");
} catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 2;
}
