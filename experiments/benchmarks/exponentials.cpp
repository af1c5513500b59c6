// The bare exponentials of one pass over delta (rows, D) with A (N, D), summed so that none can be left out: by the scan's
// own exponential what a scan must cost at least, by the C library's, with its calls, a yardstick.
#include <algorithm>

#include "vectors.hpp"

// glibc's vector exponential; its names are those of the x86-64 vector function ABI.
#if defined(__AVX512F__)
#define LIBRARY_EXP _ZGVeN16v_expf
#elif defined(__AVX2__)
#define LIBRARY_EXP _ZGVdN8v_expf
#elif defined(__AVX__)
#define LIBRARY_EXP _ZGVcN8v_expf
#else
#define LIBRARY_EXP _ZGVbN4v_expf
#endif
#ifdef FROM_LIBRARY
extern "C" F LIBRARY_EXP(F);
static inline F evaluated(F delta, F A) { return LIBRARY_EXP(delta * A); }
#else
static inline F evaluated(F delta, F A) { return exp2_bounded(delta, A); }
#endif

// 2^(delta A), or e^(delta A) from the library; channels in full vectors, states sixteen at a time.
extern "C" float exponentials(const float *delta, const float *A, int64_t rows, int64_t channels, int64_t states,
                              int64_t threads) {
    constexpr int W = WIDTH<float>;
    float total = 0;
#pragma omp parallel for collapse(2) schedule(static) num_threads(threads) reduction(+ : total)
    for (int64_t d = 0; d < channels / W * W; d += W)
        for (int64_t first = 0; first < states; first += 16) {
            const int count = std::min<int64_t>(16, states - first);
            F sums[4] = {}, slope[16] = {};
            for (int n = 0; n < count; n++) slope[n] = load(A + (first + n) * channels + d);
            for (int64_t row = 0; row < rows; row++) {
                const F dt = load(delta + row * channels + d);
                if (count == 16) {
#pragma GCC unroll 16
                    for (int n = 0; n < 16; n++) sums[n % 4] += evaluated(dt, slope[n]);
                } else {
                    for (int n = 0; n < count; n++) sums[n % 4] += evaluated(dt, slope[n]);
                }
            }
            total += lane_sum(sums[0] + sums[1] + sums[2] + sums[3]);
        }
    return total;
}
