// A channel of an image anywhere in a device's memory, of bytes (kind 0), floats (1) or doubles (2); null: 0.

namespace {

struct Plane {
    void* from;
    int kind;
    long long down, right;

    __device__ double get(int y, int x) const;
    __device__ void put(int y, int x, double number) const;
};

// Called, for there are several of them for each pixel, and three kinds.
__device__ __noinline__ double number_at(const void* from, int kind, long long at) {
    if (from == nullptr) return 0;
    if (kind == 0) return static_cast<const unsigned char*>(from)[at];
    return kind == 1 ? static_cast<const float*>(from)[at] : static_cast<const double*>(from)[at];
}

// Bytes are rounded and clipped.
__device__ __noinline__ void put_number(void* to, int kind, long long at, double number) {
    const double byte = fmin(fmax(rint(number), 0.0), 255.0);
    if (kind == 0) static_cast<unsigned char*>(to)[at] = static_cast<unsigned char>(byte);
    else if (kind == 1) static_cast<float*>(to)[at] = static_cast<float>(number);
    else static_cast<double*>(to)[at] = number;
}

__device__ double Plane::get(int y, int x) const { return number_at(from, kind, y * down + x * right); }
__device__ void Plane::put(int y, int x, double number) const { put_number(from, kind, y * down + x * right, number); }

// The plane of a block, of images whose strides are counted in numbers.
__device__ Plane plane_of_block(void* from, int kind, long long of_image, long long down, long long right,
                                long long of_channel, int channels) {
    const long long first = blockIdx.x / channels * of_image + blockIdx.x % channels * of_channel;
    const int bytes = kind == 0 ? 1 : kind == 1 ? 4 : 8;
    return {from == nullptr ? nullptr : static_cast<char*>(from) + first * bytes, kind, down, right};
}

}  // namespace

// Images among a kernel's parameters, and their plane of this block.
#define PLANE(name)                                                                                              \
    void *name, int name##_kind, long long name##_image, long long name##_down, long long name##_right,          \
        long long name##_channel
#define PLANE_OF_BLOCK(name) \
    plane_of_block(name, name##_kind, name##_image, name##_down, name##_right, name##_channel, channels)

