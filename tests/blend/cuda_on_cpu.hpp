// As much of CUDA as the sources of the blends need, on one thread of a CPU: a kernel is a function, called for a thread at a time.
//
// A thread has a stack of its own and leaves it where it waits for others: at a shuffle for its warp, which goes on once
// all of it waits there, and at __syncthreads for its block; in between the warps run as far as they can, one after the
// other.  A launch fails if some threads wait and others do not, which on a device would be undefined.  Blocks and
// threads come in turn from the first or, backwards, from the last: the same bits either way say that no thread depends
// on what another one wrote.
#pragma once

#include <ucontext.h>

#include <cmath>
#include <csetjmp>
#include <cstddef>
#include <cstring>
#include <functional>
#include <memory>
#include <typeinfo>
#include <utility>

#define __global__
#define __device__
#define __noinline__
#define __launch_bounds__(...)
// SHARED_BYTES is defined for a kernel whose shared memory is `room` alone.
#ifdef SHARED_BYTES
#define __shared__
#else
#define __shared__ static
#define SHARED_BYTES 8
#endif
double room[(SHARED_BYTES + 7) / 8];

struct alignas(8) float2 {
    float x, y;
};

struct Dimensions {
    unsigned x, y, z;
};
static Dimensions gridDim, blockDim, blockIdx, threadIdx;

namespace cuda_on_cpu {

enum class Place { warp, block, end };  // where a thread waits

struct Thread {
    std::unique_ptr<char[]> stack;
    std::jmp_buf jump;
    Place place;
};

inline Thread threads[1024];
inline std::jmp_buf scheduler;
inline std::size_t running;
inline std::function<void()> kernel;

// _setjmp and _longjmp alone go from stack to stack without a system call
[[gnu::noinline]] inline void wait(Place place) {
    threads[running].place = place;
    if (_setjmp(threads[running].jump) == 0) _longjmp(scheduler, 1);
}

// what a thread does, launch after launch
inline void run() {
    for (;;) {
        kernel();
        wait(Place::end);
    }
}

[[gnu::noinline]] inline void go_on(Thread& thread) {
    if (_setjmp(scheduler) != 0) return;
    if (thread.stack) _longjmp(thread.jump, 1);
    constexpr std::size_t size = 64 << 10;
    thread.stack.reset(new char[size]);
    ucontext_t context;
    getcontext(&context);
    context.uc_stack.ss_sp = thread.stack.get();
    context.uc_stack.ss_size = size;
    context.uc_link = nullptr;
    makecontext(&context, run, 0);
    setcontext(&context);
}

// The threads [first, first + count) up to where they wait next, if that is the same kind of place for all.
inline bool go_on(std::size_t first, std::size_t count, bool backwards) {
    for (std::size_t i = 0; i < count; ++i) {
        running = first + (backwards ? count - 1 - i : i);
        const auto index = static_cast<unsigned>(running);
        threadIdx = {index % blockDim.x, index / blockDim.x % blockDim.y, index / blockDim.x / blockDim.y};
        go_on(threads[running]);
    }
    for (std::size_t i = 1; i < count; ++i)
        if (threads[first + i].place != threads[first].place) return false;
    return true;
}

// whether all threads waited as often as each other
inline bool run_block(bool backwards) {
    // of NaN, doubles or floats: nothing that another block left may be of use
    std::memset(room, 0xff, sizeof room);
    const std::size_t warps = std::size_t{blockDim.x} * blockDim.y * blockDim.z / 32;
    bool together = true;
    do {
        for (std::size_t i = 0; i < warps && together; ++i) {
            const std::size_t warp = backwards ? warps - 1 - i : i;
            do
                together = go_on(32 * warp, 32, backwards);
            while (together && threads[32 * warp].place == Place::warp);
        }
        for (std::size_t warp = 1; warp < warps; ++warp) together &= threads[32 * warp].place == threads[0].place;
    } while (together && threads[0].place != Place::end);
    if (!together)
        // those that wait begin anew with the next launch
        for (Thread& thread : threads) thread.stack.reset();
    return together;
}

template <class... Arguments, std::size_t... I>
void call(void (*function)(Arguments...), void** arguments, std::index_sequence<I...>) {
    function(*static_cast<Arguments*>(arguments[I])...);
}

// sizes: of the grid, then of a block; arguments: where each one is, as for cuLaunchKernel
template <class... Arguments>
bool launch(void (*function)(Arguments...), const unsigned* sizes, void** arguments, bool backwards) {
    gridDim = {sizes[0], sizes[1], sizes[2]};
    blockDim = {sizes[3], sizes[4], sizes[5]};
    kernel = [=] { call(function, arguments, std::index_sequence_for<Arguments...>{}); };
    const unsigned blocks = gridDim.x * gridDim.y * gridDim.z;
    for (unsigned i = 0; i < blocks; ++i) {
        const unsigned block = backwards ? blocks - 1 - i : i;
        blockIdx = {block % gridDim.x, block / gridDim.x % gridDim.y, block / gridDim.x / gridDim.y};
        if (!run_block(backwards)) return false;
    }
    return true;
}

template <class... Arguments>
const char* type_of(void (*)(Arguments...), std::size_t argument) {
    const char* names[] = {typeid(Arguments).name()..., nullptr};
    return argument < sizeof...(Arguments) ? names[argument] : nullptr;
}

}  // namespace cuda_on_cpu

inline void __syncthreads() { cuda_on_cpu::wait(cuda_on_cpu::Place::block); }

inline void __syncwarp() { cuda_on_cpu::wait(cuda_on_cpu::Place::warp); }

namespace cuda_on_cpu {

// what another thread of the warp has
template <class T>
T shuffled(T value, std::size_t other) {
    static T values[1024];
    values[running] = value;
    wait(Place::warp);
    value = values[other];
    // it may be overwritten once all have read it
    wait(Place::warp);
    return value;
}

}  // namespace cuda_on_cpu

template <class T>
T __shfl_down_sync(unsigned, T value, unsigned step) {
    const std::size_t thread = cuda_on_cpu::running;
    return cuda_on_cpu::shuffled(value, thread % 32 + step < 32 ? thread + step : thread);
}

template <class T>
T __shfl_xor_sync(unsigned, T value, unsigned mask) {
    return cuda_on_cpu::shuffled(value, cuda_on_cpu::running ^ mask);
}

// What a test calls; compile with -fvisibility=hidden, or a kernel could be taken for the C library's function of that
// name.
#define EXPORTED extern "C" __attribute__((visibility("default")))
EXPORTED int bytes_of_room() { return sizeof room; }
#define KERNEL(name)                                                                              \
    EXPORTED bool launch_##name(const unsigned* sizes, void** arguments, bool backwards) {        \
        return cuda_on_cpu::launch(name, sizes, arguments, backwards);                            \
    }                                                                                             \
    EXPORTED const char* type_of_##name(std::size_t argument) { return cuda_on_cpu::type_of(name, argument); }
