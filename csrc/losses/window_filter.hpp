// Local means of an image that streams by, a band of rows at a time: each column is filtered under the window, then
// each row of what that made.  Only the rows under a band's windows are kept, so that images of any height stay in
// cache, and every row is filtered once.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "vectors.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {

constexpr int LARGEST_WINDOW = 31;

// SIZE        taps of the window, or 0 where only the constructor knows
// QUANTITIES  images filtered at once
//
// Columns are kept in panels, as many neighbours as a vector has lanes, one row of a panel after the other: the
// addresses of all rows under a window are then one pointer and constants.
template <class T, int SIZE, int QUANTITIES>
class WindowFilter {
public:
    // rows of a band
    static constexpr int BAND = 8;

    // lead  zeros before the first column of an image; there are always enough after the last
    WindowFilter(const std::vector<T>& taps, std::int64_t width, std::int64_t lead)
        : size_(static_cast<int>(taps.size())),
          panels_(panels(width)),
          lead_(lead),
          stride_((panels_ + 2 * MARGIN) * LANES<T>),
          columns_(panels_ * QUANTITIES * depth()),
          rows_(BAND * QUANTITIES * stride_) {
        std::copy(taps.begin(), taps.end(), taps_);
    }

    static std::int64_t panels(std::int64_t width) { return (width + LANES<T> - 1) / LANES<T>; }

    // Row `row` of a panel: the band's own rows are [0, BAND), those it has pushed up [1 - size, 0).
    Vector<T>& at(std::int64_t panel, int quantity, int row) {
        return columns_[(panel * QUANTITIES + quantity) * depth() + size() - 1 + row];
    }

    void clear_row(int row) {
        for (std::int64_t panel = 0; panel < panels_; ++panel)
            for (int quantity = 0; quantity < QUANTITIES; ++quantity) at(panel, quantity, row) = Vector<T>{};
    }

    // Filters the columns under those windows whose foot is one of the band's rows [begin, end); pushes the band up.
    void filter_columns(int begin, int end) {
        const Taps taps(*this);
        for (std::int64_t panel = 0; panel < panels_; ++panel)
            for (int quantity = 0; quantity < QUANTITIES; ++quantity) {
                Vector<T>* column = &at(panel, quantity, 1 - size());
                T* filtered = row_of(0, quantity) + lead_ + panel * LANES<T>;
                for (int row = begin / BLOCK * BLOCK; row < end; row += BLOCK) {
                    Vector<T> sums[BLOCK] = {};
                    for (int tap = 0; tap < size(); ++tap)
                        for (int i = 0; i < BLOCK; ++i) sums[i] += taps[tap] * column[row + i + tap];
                    for (int i = 0; i < BLOCK; ++i) store(sums[i], filtered + (row + i) * QUANTITIES * stride_);
                }
                for (int row = 0; row < size() - 1; ++row) column[row] = column[row + BAND];
            }
    }

    // Calls finish(panel, means) along `width` windows, means[quantity] under those whose foot is in `row`.
    template <class Finish>
    void filter_row(int row, std::int64_t width, const Finish& finish) {
        const Taps taps(*this);
        const T* first = row_of(row, 0);
        for (std::int64_t panel = 0; panel < panels(width); ++panel) {
            Vector<T> means[QUANTITIES] = {};
            for (int tap = 0; tap < size(); ++tap)
                for (int quantity = 0; quantity < QUANTITIES; ++quantity)
                    means[quantity] += taps[tap] * load(first + quantity * stride_ + panel * LANES<T> + tap);
            finish(panel, means);
        }
    }

    int size() const { return SIZE ? SIZE : size_; }

private:
    // rows filtered in one go, from vectors loaded once
    static constexpr int BLOCK = 4;
    static_assert(BAND % BLOCK == 0);
    // panels of zeros to either side of a row
    static constexpr int MARGIN = (LARGEST_WINDOW + LANES<T> - 1) / LANES<T>;
    static constexpr int MOST_TAPS = SIZE ? SIZE : LARGEST_WINDOW;

    // a copy, of which the compiler knows that nothing else writes it: it stays in registers
    struct Taps {
        explicit Taps(const WindowFilter& filter) {
            for (int tap = 0; tap < MOST_TAPS; ++tap) values[tap] = Vector<T>{} + filter.taps_[tap];
        }
        const Vector<T>& operator[](int tap) const { return values[tap]; }
        Vector<T> values[MOST_TAPS];
    };

    int depth() const { return size() - 1 + BAND; }
    T* row_of(int row, int quantity) { return rows_.data() + (row * QUANTITIES + quantity) * stride_; }

    int size_;
    std::int64_t panels_, lead_, stride_;
    T taps_[MOST_TAPS] = {};
    std::vector<Vector<T>> columns_;
    // the band after its columns were filtered
    std::vector<T> rows_;
};

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
