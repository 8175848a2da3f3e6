// As many neighbouring numbers as a register holds, as one value with + - * /: the vectors of GCC and Clang, which both
// compile for any processor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>
#include <vector>

#include "level.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {

template <class T>
constexpr int LANES = VECTOR_BYTES / sizeof(T);

template <class T>
struct VectorOf {
    typedef T type __attribute__((vector_size(VECTOR_BYTES)));
    // the same anywhere in an array of T
    typedef T unaligned __attribute__((vector_size(VECTOR_BYTES), aligned(alignof(T)), may_alias));
    // as many floats as there are T
    typedef float floats __attribute__((vector_size(VECTOR_BYTES / sizeof(T) * sizeof(float))));
    typedef float unaligned_floats
        __attribute__((vector_size(VECTOR_BYTES / sizeof(T) * sizeof(float)), aligned(alignof(float)), may_alias));
    // as many doubles as there are T
    typedef double doubles __attribute__((vector_size(VECTOR_BYTES / sizeof(T) * sizeof(double))));
    typedef double unaligned_doubles
        __attribute__((vector_size(VECTOR_BYTES / sizeof(T) * sizeof(double)), aligned(alignof(double)), may_alias));
};
template <class T>
using Vector = typename VectorOf<T>::type;
// As many doubles as a Vector<float> has floats.
using Doubles = VectorOf<float>::doubles;
// As many floats as a Vector<double> has doubles.
using Floats = VectorOf<double>::floats;

// Numbers that begin where a cache line does: a whole vector that lies across two lines takes twice the time.
template <class T>
struct OnLines {
    using value_type = T;
    static constexpr std::align_val_t LINE{64};

    OnLines() = default;
    template <class U>
    OnLines(const OnLines<U>&) {}

    T* allocate(std::size_t count) { return static_cast<T*>(::operator new(count * sizeof(T), LINE)); }
    void deallocate(T* numbers, std::size_t) { ::operator delete(numbers, LINE); }
    template <class U>
    bool operator==(const OnLines<U>&) const { return true; }
    template <class U>
    bool operator!=(const OnLines<U>&) const { return false; }
};
template <class T>
using Numbers = std::vector<T, OnLines<T>>;

template <class T>
Vector<T> load(const T* from) {
    return *reinterpret_cast<const typename VectorOf<T>::unaligned*>(from);
}

template <class T>
void store(const Vector<T>& values, T* to) {
    *reinterpret_cast<typename VectorOf<T>::unaligned*>(to) = values;
}

// The first `count` of them, the others 0.
template <class T>
Vector<T> load(const T* from, std::int64_t count) {
    if (count >= LANES<T>) return load(from);
    T values[LANES<T>];
    for (std::int64_t lane = 0; lane < LANES<T>; ++lane) values[lane] = lane < count ? from[lane] : T{0};
    return load(values);
}

template <class T>
void store(const Vector<T>& values, T* to, std::int64_t count) {
    if (count >= LANES<T>) return store(values, to);
    T lanes[LANES<T>];
    store(values, lanes);
    for (std::int64_t lane = 0; lane < count; ++lane) to[lane] = lanes[lane];
}

inline Doubles load_doubles(const float* from) { return __builtin_convertvector(load(from), Doubles); }

inline Doubles load_doubles(const double* from) {
    return *reinterpret_cast<const VectorOf<float>::unaligned_doubles*>(from);
}

inline void store(const Doubles& values, double* to) {
    *reinterpret_cast<VectorOf<float>::unaligned_doubles*>(to) = values;
}

inline Floats load_floats(const float* from) {
    return *reinterpret_cast<const VectorOf<double>::unaligned_floats*>(from);
}

inline void store(const Floats& values, float* to) {
    *reinterpret_cast<VectorOf<double>::unaligned_floats*>(to) = values;
}

// Numbers I of two vectors, of which the second one's begin with LANES.
template <class T, int... I>
Vector<T> chosen(const Vector<T>& first, const Vector<T>& second, std::integer_sequence<int, I...>) {
#ifdef __clang__
    return __builtin_shufflevector(first, second, I...);
#else
    return __builtin_shuffle(first, second, decltype(first < second){I...});
#endif
}

template <class T>
using EveryLane = std::make_integer_sequence<int, LANES<T>>;

// Every second number of 2 LANES.
template <class T, int... I>
Vector<T> evens(const T* from, std::integer_sequence<int, I...>) {
    return chosen<T>(load(from), load(from + LANES<T>), std::integer_sequence<int, 2 * I...>{});
}
template <class T>
Vector<T> evens(const T* from) {
    return evens(from, EveryLane<T>{});
}

// The first LANES / 2 numbers, a 0 before each, or behind it.
template <class T, int... I>
Vector<T> apart(const Vector<T>& values, bool before, std::integer_sequence<int, I...>) {
    const Vector<T> none{};
    return before ? chosen<T>(values, none, std::integer_sequence<int, I / 2 + (I % 2 == 0) * LANES<T>...>{})
                  : chosen<T>(values, none, std::integer_sequence<int, I / 2 + (I % 2 == 1) * LANES<T>...>{});
}
template <class T>
Vector<T> apart(const Vector<T>& values, bool before) {
    return apart<T>(values, before, EveryLane<T>{});
}

// A vector between the one before it and the one behind it, so that what lies a few numbers further is no load across
// two cache lines.
template <class T>
struct Surrounded {
    Vector<T> before, here, behind;

    explicit Surrounded(const T* from)
        : before(load(from - LANES<T>)), here(load(from)), behind(load(from + LANES<T>)) {}
    Surrounded(const Surrounded& a, const Surrounded& b)
        : before(a.before + b.before), here(a.here + b.here), behind(a.behind + b.behind) {}

    // K numbers further, LANES at most to either side
    template <int K>
    Vector<T> shifted() const {
        if constexpr (K < 0) return from<LANES<T> + K>(before, here, EveryLane<T>{});
        return from<K < 0 ? 0 : K>(here, behind, EveryLane<T>{});
    }

private:
    template <int K, int... I>
    static Vector<T> from(const Vector<T>& first, const Vector<T>& second, std::integer_sequence<int, I...>) {
        return chosen<T>(first, second, std::integer_sequence<int, K + I...>{});
    }
};

// u - v, exactly 0 where they are equal: a compiler may fuse the product that u is with the difference, unrounded.
template <class V>
V difference_of(const V& u, const V& v) {
    return u == v ? V{} : u - v;
}

// NaN stays NaN
template <class V>
V absolute(const V& values) {
    return values < 0 ? -values : values;
}

// sign(0) = 0
template <class V>
V sign(const V& values) {
    const V zero{}, one = zero + 1;
    return values > 0 ? one : (values < 0 ? -one : zero);
}

// Sums of many vectors, lane by lane in double.
template <class T>
class Sum {
public:
    void add(const Vector<T>& values) { lanes_ += __builtin_convertvector(values, Doubles); }
    double total() const {
        double sum = 0;
        for (int lane = 0; lane < LANES<T>; ++lane) sum += lanes_[lane];
        return sum;
    }

private:
    using Doubles = typename VectorOf<T>::doubles;
    Doubles lanes_{};
};

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
