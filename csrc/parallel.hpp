// Threads that live for one call: none spins between calls, none outlives its call.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <future>
#include <system_error>
#include <vector>

#include "level.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {

// Calls work(begin, end) on contiguous runs that make up [0, items), one a thread, the first on the caller's own.
// A thread takes tens of microseconds to start: the caller asks for no more of them than the work is worth.  What gets
// no thread, because the system has none to give, is done by the caller's own.
// What `work` throws is thrown here, once every thread has ended.
template <class Work>
void parallel_runs(std::int64_t items, int threads, const Work& work) {
    const std::int64_t runs = std::clamp<std::int64_t>(items, 1, threads);
    const auto bound = [=](std::int64_t run) { return items * run / runs; };
    // a future from std::async waits for its thread where it is destroyed
    std::vector<std::future<void>> others;
    others.reserve(runs - 1);
    std::int64_t started = 1;
    try {
        for (; started < runs; ++started)
            others.push_back(std::async(std::launch::async, std::cref(work), bound(started), bound(started + 1)));
    } catch (const std::system_error&) {
    }
    work(bound(0), bound(1));
    for (; started < runs; ++started) work(bound(started), bound(started + 1));
    for (auto& other : others) other.get();
}

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
