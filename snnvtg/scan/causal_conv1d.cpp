// Depthwise causal convolution over the steps with an optional SiLU, forward and backward, channels last.
//
// A thread takes one sample and walks its channels W at a time; the weights of W channels stay in registers. The
// backward pass recomputes the value before the activation and gathers the input gradient through a ring of K rows.
// With `sequence`, a number for each step, no window reaches across two sequences.
#include <algorithm>

#include "vectors.hpp"

namespace {

struct Sizes {
    int64_t batch, length, channels, width;
};

constexpr int WIDEST = 16;

template <typename T> struct Taps {
    V<T> weight[WIDEST], bias;
    Taps(const T *w, const T *b, const Sizes &s, int64_t d, int count) {
        for (int k = 0; k < s.width; k++) weight[k] = load(w + k * s.channels + d, count);
        bias = b ? load(b + d, count) : V<T>{};
    }
};

// The i-th step in the direction of the convolution.
inline int64_t step(int64_t i, const Sizes &s, bool reverse) { return reverse ? s.length - 1 - i : i; }

template <typename T>
V<T> row(const T *x, const uint8_t *mask, const Sizes &s, int64_t b, int64_t i, int64_t d, int count, bool reverse) {
    if (i < 0 || i >= s.length) return V<T>{};
    const int64_t t = b * s.length + step(i, s, reverse);
    return mask && !mask[t] ? V<T>{} : load(x + t * s.channels + d, count);
}

// Whether the i-th step begins another sequence than the one before it.
inline bool begins(const int32_t *sequence, const Sizes &s, int64_t b, int64_t i, bool reverse) {
    if (!sequence || i == 0) return false;
    return sequence[b * s.length + step(i, s, reverse)] != sequence[b * s.length + step(i - 1, s, reverse)];
}

template <typename T>
void forward(const T *x, const T *weight, const T *bias, const uint8_t *mask, const int32_t *sequence, Sizes s,
             bool silu, bool reverse, T *y, int threads) {
    constexpr int W = WIDTH<T>;
    const int K = s.width;
#pragma omp parallel for collapse(2) schedule(static) num_threads(threads)
    for (int64_t b = 0; b < s.batch; b++)
        for (int64_t d = 0; d < s.channels; d += W) {
            const int count = std::min<int64_t>(W, s.channels - d);
            const Taps<T> taps(weight, bias, s, d, count);
            V<T> window[WIDEST] = {};
            for (int64_t i = 0; i < s.length; i++) {
                const int64_t t = b * s.length + step(i, s, reverse);
                for (int k = 0; k + 1 < K; k++) window[k] = window[k + 1];
                if (begins(sequence, s, b, i, reverse)) std::fill(window, window + K, V<T>{});
                window[K - 1] = row(x, mask, s, b, i, d, count, reverse);
                V<T> sum = taps.bias;
                for (int k = 0; k < K; k++) sum += taps.weight[k] * window[k];
                if (silu) sum *= sigmoid<T>(sum);
                store(y + t * s.channels + d, mask && !mask[t] ? V<T>{} : sum, count);
            }
        }
}

// grad_weight (B, K, D) and grad_bias (B, D) are partial sums the caller adds up.
template <typename T>
void backward(const T *x, const T *weight, const T *bias, const uint8_t *mask, const int32_t *sequence,
              const T *grad_y, Sizes s, bool silu, bool reverse, T *grad_x, T *grad_weight, T *grad_bias, int threads) {
    constexpr int W = WIDTH<T>;
    const int K = s.width;
#pragma omp parallel for collapse(2) schedule(static) num_threads(threads)
    for (int64_t b = 0; b < s.batch; b++)
        for (int64_t d = 0; d < s.channels; d += W) {
            const int count = std::min<int64_t>(W, s.channels - d);
            const Taps<T> taps(weight, bias, s, d, count);
            // pending[k]: gradient of the input K - 1 - k steps back, still to be added to
            V<T> window[WIDEST] = {}, pending[WIDEST] = {}, to_weight[WIDEST] = {}, to_bias = {};
            int own = 0;  // the first slot of the window that is of this step's sequence
            for (int64_t i = 0; i < s.length + K - 1; i++) {
                for (int k = 0; k + 1 < K; k++) {
                    window[k] = window[k + 1];
                    pending[k] = pending[k + 1];
                }
                own = std::max(0, own - 1);
                if (i < s.length && begins(sequence, s, b, i, reverse)) {
                    std::fill(window, window + K, V<T>{});
                    own = K - 1;
                }
                window[K - 1] = row(x, mask, s, b, i, d, count, reverse);
                pending[K - 1] = V<T>{};
                if (i < s.length) {
                    V<T> gradient = row(grad_y, mask, s, b, i, d, count, reverse);
                    if (silu) {
                        V<T> sum = taps.bias;
                        for (int k = 0; k < K; k++) sum += taps.weight[k] * window[k];
                        const V<T> open = sigmoid<T>(sum);
                        gradient *= open * (T(1) + sum * (T(1) - open));
                    }
                    for (int k = own; k < K; k++) {
                        to_weight[k] += gradient * window[k];
                        pending[k] += gradient * taps.weight[k];
                    }
                    to_bias += gradient;
                }
                if (i < K - 1) continue;
                const int64_t t = b * s.length + step(i - K + 1, s, reverse);
                store(grad_x + t * s.channels + d, mask && !mask[t] ? V<T>{} : pending[0], count);
            }
            for (int k = 0; k < K; k++) store(grad_weight + (b * K + k) * s.channels + d, to_weight[k], count);
            store(grad_bias + b * s.channels + d, to_bias, count);
        }
}

}  // namespace

extern "C" {

int64_t convolution_widest() { return WIDEST; }

#define CONVOLUTION(NAME, T)                                                                                           \
    void convolution_forward_##NAME(const T *x, const T *weight, const T *bias, const uint8_t *mask,                   \
                                    const int32_t *sequence, const Sizes *sizes, int64_t silu, int64_t reverse, T *y,  \
                                    int64_t threads) {                                                                 \
        forward<T>(x, weight, bias, mask, sequence, *sizes, silu, reverse, y, threads);                                \
    }                                                                                                                  \
    void convolution_backward_##NAME(const T *x, const T *weight, const T *bias, const uint8_t *mask,                  \
                                     const int32_t *sequence, const T *grad_y, const Sizes *sizes, int64_t silu,       \
                                     int64_t reverse, T *grad_x, T *grad_weight, T *grad_bias, int64_t threads) {      \
        backward<T>(x, weight, bias, mask, sequence, grad_y, *sizes, silu, reverse, grad_x, grad_weight, grad_bias,    \
                    threads);                                                                                          \
    }

CONVOLUTION(float, float)
CONVOLUTION(double, double)
}
