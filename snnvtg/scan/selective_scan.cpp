// The selective scan of Mamba (Gu and Dao 2023, Algorithm 2), forward and backward, channels last.
//
// A thread takes one sample and a group of channels and goes through it in chunks of CHUNK steps. What needs no state
// (softplus, gates) is done row by row, as memory lies; the recurrence block by block, a block being one vector of W
// channels, and in a block some states at a time, which stay in registers. The forward pass keeps the state before each
// chunk only; the backward pass recomputes eight states of one chunk of one block into a scratch a third of the
// first-level cache. Each exp(delta A) is so evaluated once forward and once backward. Reversal and padding are one
// list of step numbers per sample.
#include <algorithm>
#include <initializer_list>
#include <vector>

#include "vectors.hpp"

namespace {

#ifndef CHUNK_STEPS
#define CHUNK_STEPS 16
#endif
constexpr int CHUNK = CHUNK_STEPS;
// States of a block a pass takes at a time: of so many all that it needs stays in registers.
constexpr int FORWARD = 16, BACKWARD = 8;

struct Sizes {
    int64_t batch, length, channels, states;
};

// Vectors between two blocks in a Chunk; one more than its steps, so that neighbours fall into different cache sets.
constexpr int STRIDE = CHUNK + 1;

// Tensors of one direction. A (N, D), state and initial (B, N, D).
template <typename T> struct Inputs {
    const T *u, *delta, *A, *B, *C, *D, *bias, *initial;
    int64_t softplus, reverse;
};

// Gradients; A (B, N, D), D and bias (B, D), B and C (groups, B, L, N) are partial sums the caller adds up.
template <typename T> struct Gradients {
    T *u, *delta, *A, *B, *C, *D, *bias, *initial;
};

template <typename T> using Vectors = std::vector<V<T>>;

// One sample and its channels from `first` to `last`, walked a block of W channels at a time.
template <typename T> struct Group {
    Sizes size;
    int64_t b, first, last, blocks;
    Group(const Sizes &s, int64_t b, int64_t g, int64_t groups) : size(s), b(b) {
        const int64_t all = (s.channels + WIDTH<T> - 1) / WIDTH<T>;
        first = all * g / groups * WIDTH<T>;
        last = std::min(all * (g + 1) / groups * WIDTH<T>, s.channels);
        blocks = (last - first + WIDTH<T> - 1) / WIDTH<T>;
    }
    int64_t channel(int64_t i) const { return first + i * WIDTH<T>; }
    int count(int64_t i) const { return std::min<int64_t>(WIDTH<T>, size.channels - channel(i)); }
    int64_t row(int64_t step) const { return (b * size.length + step) * size.channels; }
    int64_t chunks() const { return (size.length + CHUNK - 1) / CHUNK; }
    // where state n of block i lies in a (B, N, D) tensor
    int64_t state(int n, int64_t i) const { return (b * size.states + n) * size.channels + channel(i); }
    // where the states of block i before chunk c lie in the checkpoints (B, chunks, blocks, N, W)
    int64_t checkpoint(int64_t i, int64_t c) const {
        const int64_t all = (size.channels + WIDTH<T> - 1) / WIDTH<T>;
        return (((b * chunks() + c) * all + first / WIDTH<T> + i) * size.states) * WIDTH<T>;
    }
    void clear(T *rows, const std::vector<int64_t> &steps) const {
        for (int64_t t : steps) std::fill(rows + row(t) + first, rows + row(t) + last, T(0));
    }
};

// Asks for one block of every row of a chunk; null pointers are skipped.
template <typename T, bool WRITE>
void prefetch(const Group<T> &group, int64_t i, const int64_t *steps, int size, std::initializer_list<const T *> rows) {
    for (const T *row : rows)
        for (int k = 0; row && k < size; k++)
            __builtin_prefetch(row + group.row(steps[k]) + group.channel(i), WRITE, 2);
}

// Valid steps in scan order, and the invalid ones; with `sequence` (a number for each step) also which of the valid ones
// begin another sequence than the one before them.
struct Steps {
    std::vector<int64_t> valid, invalid;
    std::vector<uint8_t> begins;
    Steps(const uint8_t *mask, const int32_t *sequence, int64_t length, bool reverse) {
        valid.reserve(length);
        for (int64_t t = 0; t < length; t++) (!mask || mask[t] ? valid : invalid).push_back(t);
        if (reverse) std::reverse(valid.begin(), valid.end());
        if (sequence) begins.resize(valid.size());
        for (size_t k = 1; k < begins.size(); k++) begins[k] = sequence[valid[k]] != sequence[valid[k - 1]];
    }
    // of the steps from the k-th valid one on; null where all are one sequence
    const uint8_t *begins_from(size_t k) const { return begins.empty() ? nullptr : begins.data() + k; }
};

// What a thread works with: of each block its rates and state; of one chunk what the recurrence reads and writes,
// vector [block][step], and sums over channels, vector [step][state]; of the states of one backward pass the recomputed
// steps. It is kept between calls: freed, so much would go back to the system, and come again page by page.
template <typename T> struct Workspace {
    Vectors<T> A, state, u, dt, y, slope, dy, to_input, to_exponent, grad_A, grad_D, grad_bias, grad_B, grad_C;
    V<T> decay[CHUNK * BACKWARD], before[CHUNK * BACKWARD];

    static Workspace &of(const Inputs<T> &in, const Group<T> &group, bool backward) {
        static thread_local Workspace mine;
        const int64_t N = group.size.states, blocks = group.blocks, rows = blocks * STRIDE;
        mine.A.resize(blocks * N);
        for (int64_t i = 0; i < blocks; i++)
            for (int n = 0; n < N; n++)
                mine.A[i * N + n] = bounded<T>(load(in.A + n * group.size.channels + group.channel(i), group.count(i)) *
                                               T(LOG2_E));
        mine.state.assign(blocks * N, V<T>{});
        for (auto *vectors : {&mine.u, &mine.dt}) vectors->resize(rows);
        mine.y.assign(rows, V<T>{});
        if (!backward) return mine;
        for (auto *vectors : {&mine.slope, &mine.dy}) vectors->resize(rows);
        for (auto *vectors : {&mine.to_input, &mine.to_exponent}) vectors->assign(rows, V<T>{});
        for (auto *vectors : {&mine.grad_B, &mine.grad_C}) vectors->resize(CHUNK * N);
        for (auto *vectors : {&mine.grad_D, &mine.grad_bias}) vectors->assign(blocks, V<T>{});
        mine.grad_A.assign(blocks * N, V<T>{});
        return mine;
    }
};

template <typename T>
void read_steps(const Inputs<T> &in, const Group<T> &group, const int64_t *steps, int size, Workspace<T> &own,
                bool slope) {
    for (int k = 0; k < size; k++)
        for (int64_t i = 0; i < group.blocks; i++) {
            const int count = group.count(i);
            const int64_t d = group.channel(i), at = group.row(steps[k]) + d;
            V<T> delta = load(in.delta + at, count);
            if (in.bias) delta += load(in.bias + d, count);
            Softplus<T> step = {delta, broadcast(T(1))};
            if (in.softplus) step = softplus<T>(delta);
            own.u[i * STRIDE + k] = load(in.u + at, count);
            own.dt[i * STRIDE + k] = step.value;
            if (slope) own.slope[i * STRIDE + k] = step.slope;
        }
}

// h_k = exp(dt_k A) h_{k-1} + dt_k u_k B_k and y_k = C_k h_k, added to what earlier states gave where `add`, for
// `count` states of one block over one chunk; A, B, C and state begin at the first of these. The state is forgotten
// before a step that `begins` a sequence. NS is `count` or 0.
template <typename T, int NS>
void forward_states(const Group<T> &group, const int64_t *steps, const uint8_t *begins, int size, const V<T> *u, const V<T> *dt, const V<T> *A,
                    const T *B, const T *C, int count, V<T> *state, V<T> *y, bool add) {
    const int H = NS ? NS : count;
    V<T> h[FORWARD];
    for (int n = 0; n < H; n++) h[n] = state[n];
    for (int k = 0; k < size; k++) {
        const int64_t at = (group.b * group.size.length + steps[k]) * group.size.states;
        const V<T> step = bounded<T>(dt[k]), input = dt[k] * u[k];
        V<T> sum = add ? y[k] : V<T>{};
        if (begins && begins[k])
            for (int n = 0; n < H; n++) h[n] = V<T>{};
#pragma GCC unroll 16
        for (int n = 0; n < H; n++) {
            h[n] = exp2_bounded(step, A[n]) * h[n] + input * B[at + n];
            sum += h[n] * C[at + n];
        }
        y[k] = sum;
    }
    for (int n = 0; n < H; n++) state[n] = h[n];
}

template <typename T>
void write_outputs(const Inputs<T> &in, const Group<T> &group, const int64_t *steps, int size, const Workspace<T> &own,
                   const T *z, T *y, T *out, bool add, bool gate) {
    for (int k = 0; k < size; k++)
        for (int64_t i = 0; i < group.blocks; i++) {
            const int count = group.count(i);
            const int64_t d = group.channel(i), at = group.row(steps[k]) + d;
            V<T> sum = own.y[i * STRIDE + k];
            if (in.D) sum += load(in.D + d, count) * own.u[i * STRIDE + k];
            if (add) sum += load(y + at, count);
            if (!gate || out != y) store(y + at, sum, count);
            if (!gate) continue;
            const V<T> open = load(z + at, count);
            store(out + at, sum * open * sigmoid<T>(open), count);
        }
}

template <typename T>
void forward_group(const Inputs<T> &in, const Group<T> &group, const Steps &steps, const T *z, T *y, T *out, bool add,
                   bool gate, T *last, T *checkpoints) {
    const int N = group.size.states;
    Workspace<T> &own = Workspace<T>::of(in, group, false);
    Vectors<T> &state = own.state;
    for (int64_t i = 0; in.initial && i < group.blocks; i++)
        for (int n = 0; n < N; n++) state[i * N + n] = load(in.initial + group.state(n, i), group.count(i));
    for (size_t start = 0; start < steps.valid.size(); start += CHUNK) {
        const int64_t *at = steps.valid.data() + start;
        const int size = std::min<int64_t>(CHUNK, steps.valid.size() - start);
        const int next = std::min<int64_t>(CHUNK, steps.valid.size() - start - size);
        read_steps(in, group, at, size, own, false);
        for (int64_t i = 0; i < group.blocks; i++) {
            // memory works on the next chunk while the processor is busy with this one
            prefetch<T, false>(group, i, at + size, next, {in.u, in.delta, gate ? z : nullptr, add ? y : nullptr});
            prefetch<T, true>(group, i, at, size, {out, add || out == y ? nullptr : y});
            for (int n = 0; checkpoints && n < N; n++)
                store(checkpoints + group.checkpoint(i, start / CHUNK) + n * WIDTH<T>, state[i * N + n]);
            for (int n = 0; n < N; n += FORWARD) {
                const int count = std::min(FORWARD, N - n);
                const auto run = count == 16  ? forward_states<T, 16>
                                 : count == 8 ? forward_states<T, 8>
                                              : forward_states<T, 0>;
                run(group, at, steps.begins_from(start), size, &own.u[i * STRIDE], &own.dt[i * STRIDE], &own.A[i * N + n], in.B + n, in.C + n,
                    count, &state[i * N + n], &own.y[i * STRIDE], n > 0);
            }
        }
        write_outputs(in, group, at, size, own, z, y, out, add, gate);
    }
    for (int64_t i = 0; i < group.blocks; i++)
        for (int n = 0; n < N; n++) store(last + group.state(n, i), state[i * N + n], group.count(i));
}

// One sample's row of a (B, L) tensor, null where there is none.
template <typename E> const E *row(const E *of, int64_t b, const Sizes &s) { return of ? of + b * s.length : nullptr; }

template <typename T>
void forward(const Inputs<T> *in, int directions, const T *z, const uint8_t *mask, const int32_t *sequence, const Sizes &s,
             T *y, T *out,
             T **state, T **checkpoints, int64_t groups, int threads) {
#pragma omp parallel for collapse(2) schedule(dynamic) num_threads(threads)
    for (int64_t b = 0; b < s.batch; b++)
        for (int64_t g = 0; g < groups; g++) {
            const Group<T> group(s, b, g, groups);
            for (int k = 0; k < directions; k++) {
                const Steps steps(row(mask, b, s), row(sequence, b, s), s.length, in[k].reverse);
                const bool gate = z && k == directions - 1;
                forward_group(in[k], group, steps, z, y, out, k > 0, gate, state[k], checkpoints[k]);
                if (k == 0) group.clear(y, steps.invalid);
                if (k == 0) group.clear(out, steps.invalid);
            }
        }
}

// Sums over channels. Adding whole vectors, one for each state, moves more memory than the recurrence itself; with
// AVX-512 four states' vectors are folded into one, four lanes each, on units the recurrence leaves idle.
#ifdef __AVX512F__
template <typename T, int NS> constexpr int FOLD = sizeof(T) == 4 && NS ? 4 : 1;
template <int BY> F folded(const F *v) {
    if constexpr (BY == 1) return v[0];
    const F ab = _mm512_add_ps(_mm512_shuffle_f32x4(v[0], v[1], 0x44), _mm512_shuffle_f32x4(v[0], v[1], 0xEE));
    const F cd = _mm512_add_ps(_mm512_shuffle_f32x4(v[2], v[3], 0x44), _mm512_shuffle_f32x4(v[2], v[3], 0xEE));
    return _mm512_add_ps(_mm512_shuffle_f32x4(ab, cd, 0x88), _mm512_shuffle_f32x4(ab, cd, 0xDD));
}
#else
template <typename T, int NS> constexpr int FOLD = 1;
template <int BY> F folded(const F *v) { return v[0]; }
#endif
template <int BY> G folded(const G *v) { return v[0]; }

// dy, gated; in the first direction also z's gradient.
template <typename T>
void read_gradients(const Group<T> &group, const int64_t *steps, int size, const T *grad_out, const T *z, const T *y,
                    T *grad_z, Workspace<T> &own, Vectors<T> &grad_D) {
    for (int k = 0; k < size; k++)
        for (int64_t i = 0; i < group.blocks; i++) {
            const int count = group.count(i);
            const int64_t at = group.row(steps[k]) + group.channel(i);
            V<T> dy = load(grad_out + at, count);
            if (z) {
                const V<T> gate = load(z + at, count), open = sigmoid<T>(gate);
                if (grad_z) store(grad_z + at, dy * load(y + at, count) * open * (T(1) + gate * (T(1) - open)), count);
                dy *= gate * open;
            }
            own.dy[i * STRIDE + k] = dy;
            grad_D[i] += dy * own.u[i * STRIDE + k];
        }
}

// Recomputes `count` states of block i, those from `first` on, over one chunk from the state before it, then walks them
// backward. NS is `count` or 0.
template <typename T, int NS>
void backward_states(const Inputs<T> &in, const Group<T> &group, int64_t i, int first, int count, const int64_t *steps,
                     const uint8_t *begins, int size, const T *before, Workspace<T> &own) {
    const int N = group.size.states, H = NS ? NS : count;
    const T *const B = in.B + group.b * group.size.length * N + first, *const C = in.C + (B - in.B);
    const V<T> *const u = &own.u[i * STRIDE], *const dt = &own.dt[i * STRIDE], *const dy = &own.dy[i * STRIDE];
    V<T> *const carry = &own.state[i * N + first], *const grad_A = &own.grad_A[i * N + first];
    V<T> *const grad_B = &own.grad_B[first], *const grad_C = &own.grad_C[first];
    constexpr int BY = FOLD<T, NS>;
    V<T> h[BACKWARD], rate[BACKWARD], sum_A[BACKWARD], fold[BY];
    for (int n = 0; n < H; n++) h[n] = load(before + n * WIDTH<T>), rate[n] = own.A[i * N + first + n];
    for (int k = 0; k < size; k++) {
        const V<T> step = bounded<T>(dt[k]), input = dt[k] * u[k], gradient_y = dy[k];
        // the state before is as forgotten as its decay to this step
        const bool forget = begins && begins[k];
#pragma GCC unroll 8
        for (int n = 0; n < H; n++) {
            own.before[k * BACKWARD + n] = h[n];
            const V<T> a = own.decay[k * BACKWARD + n] = forget ? V<T>{} : exp2_bounded(step, rate[n]);
            h[n] = a * h[n] + input * B[steps[k] * N + n];
            fold[n % BY] = gradient_y * h[n];
            if (n % BY == BY - 1) grad_C[k * N + n / BY] += folded<BY>(fold);
        }
    }
    V<T> *const g = h;
    for (int n = 0; n < H; n++) g[n] = carry[n], sum_A[n] = grad_A[n];
    for (int k = size - 1; k >= 0; k--) {
        const V<T> step = dt[k], input = step * u[k], gradient_y = dy[k];
        V<T> to_input = first ? own.to_input[i * STRIDE + k] : V<T>{};
        V<T> to_exponent = first ? own.to_exponent[i * STRIDE + k] : V<T>{};
#pragma GCC unroll 8
        for (int n = 0; n < H; n++) {
            const V<T> gradient = g[n] + gradient_y * C[steps[k] * N + n];
            fold[n % BY] = gradient * input;
            if (n % BY == BY - 1) grad_B[k * N + n / BY] += folded<BY>(fold);
            to_input += gradient * B[steps[k] * N + n];
            g[n] = gradient * own.decay[k * BACKWARD + n];
            const V<T> exponent = g[n] * own.before[k * BACKWARD + n];
            to_exponent += exponent * rate[n];
            sum_A[n] += exponent * step;
        }
        own.to_input[i * STRIDE + k] = to_input;
        own.to_exponent[i * STRIDE + k] = to_exponent;
    }
    for (int n = 0; n < H; n++) carry[n] = g[n], grad_A[n] = sum_A[n];
}

template <typename T>
void write_gradients(const Inputs<T> &in, const Gradients<T> &grad, const Group<T> &group, const int64_t *steps,
                     int size, const Workspace<T> &own, Vectors<T> &grad_bias) {
    for (int k = 0; k < size; k++)
        for (int64_t i = 0; i < group.blocks; i++) {
            const int count = group.count(i);
            const int64_t d = group.channel(i), at = group.row(steps[k]) + d;
            const V<T> to_input = own.to_input[i * STRIDE + k];
            V<T> du = own.dt[i * STRIDE + k] * to_input;
            if (in.D) du += load(in.D + d, count) * own.dy[i * STRIDE + k];
            const V<T> to_step = own.to_exponent[i * STRIDE + k] * T(LN_2) + own.u[i * STRIDE + k] * to_input;
            const V<T> ddelta = to_step * own.slope[i * STRIDE + k];
            grad_bias[i] += ddelta;
            store(grad.u + at, du, count);
            store(grad.delta + at, ddelta, count);
        }
}

template <typename T>
void write_sums(const Gradients<T> &grad, const Group<T> &group, const Workspace<T> &own) {
    const int N = group.size.states;
    for (int64_t i = 0; i < group.blocks; i++) {
        const int count = group.count(i);
        for (int n = 0; n < N; n++) {
            store(grad.A + group.state(n, i), own.grad_A[i * N + n], count);
            store(grad.initial + group.state(n, i), own.state[i * N + n], count);
        }
        store(grad.D + group.b * group.size.channels + group.channel(i), own.grad_D[i], count);
        store(grad.bias + group.b * group.size.channels + group.channel(i), own.grad_bias[i], count);
    }
}

// The sum over channels of state n of N; the states of one pass are folded by themselves, and only if they are eight.
template <typename T> T channel_sum(const V<T> *vectors, int n, int N) {
    constexpr int BY = FOLD<T, BACKWARD>, LANES = WIDTH<T> / BY;
    const int in_fold = n % BACKWARD, first = n - in_fold;
    if (BY == 1 || first + BACKWARD > N) return lane_sum(vectors[n]);
    T sum = 0;
    for (int lane = 0; lane < LANES; lane++) sum += vectors[first + in_fold / BY][in_fold % BY * LANES + lane];
    return sum;
}

// grad.B and grad.C are this group's own (B, L, N).
template <typename T>
void backward_group(const Inputs<T> &in, const Gradients<T> &grad, const Group<T> &group, const Steps &steps,
                    const T *z, const T *y, const T *grad_out, const T *grad_state, const T *checkpoints, T *grad_z) {
    const int N = group.size.states;
    Workspace<T> &own = Workspace<T>::of(in, group, true);
    for (int64_t i = 0; grad_state && i < group.blocks; i++)
        for (int n = 0; n < N; n++) own.state[i * N + n] = load(grad_state + group.state(n, i), group.count(i));
    for (int64_t c = (int64_t(steps.valid.size()) + CHUNK - 1) / CHUNK - 1; c >= 0; c--) {
        const int64_t *at = steps.valid.data() + c * CHUNK;
        const int size = std::min<int64_t>(CHUNK, steps.valid.size() - c * CHUNK);
        std::fill(own.grad_B.begin(), own.grad_B.end(), V<T>{});
        std::fill(own.grad_C.begin(), own.grad_C.end(), V<T>{});
        read_steps(in, group, at, size, own, true);
        read_gradients(group, at, size, grad_out, z, y, grad_z, own, own.grad_D);
        for (int64_t i = 0; i < group.blocks; i++) {
            if (c > 0) {
                prefetch<T, false>(group, i, at - CHUNK, CHUNK, {in.u, in.delta, grad_out, z, grad_z ? y : nullptr});
                for (int n = 0; n < N; n++)
                    __builtin_prefetch(checkpoints + group.checkpoint(i, c - 1) + n * WIDTH<T>, 0, 2);
            }
            prefetch<T, true>(group, i, at, size, {grad.u, grad.delta});
            for (int n = 0; n < N; n += BACKWARD) {
                const int count = std::min(BACKWARD, N - n);
                const auto run = count == BACKWARD ? backward_states<T, BACKWARD> : backward_states<T, 0>;
                run(in, group, i, n, count, at, steps.begins_from(c * CHUNK), size, checkpoints + group.checkpoint(i, c) + n * WIDTH<T>, own);
            }
        }
        write_gradients(in, grad, group, at, size, own, own.grad_bias);
        for (int k = 0; k < size; k++)
            for (int n = 0; n < N; n++) {
                const int64_t to = (group.b * group.size.length + at[k]) * N + n;
                grad.B[to] = channel_sum<T>(&own.grad_B[k * N], n, N);
                grad.C[to] = channel_sum<T>(&own.grad_C[k * N], n, N);
            }
    }
    write_sums(grad, group, own);
}

template <typename T>
void backward(const Inputs<T> *in, const Gradients<T> *grad, int directions, const T *z, const uint8_t *mask,
              const int32_t *sequence, const Sizes &s, const T *y, const T *grad_out, const T *const *grad_state, const T *const *checkpoints,
              T *grad_z, int64_t groups, int threads) {
#pragma omp parallel for collapse(2) schedule(dynamic) num_threads(threads)
    for (int64_t b = 0; b < s.batch; b++)
        for (int64_t g = 0; g < groups; g++) {
            const Group<T> group(s, b, g, groups);
            for (int k = 0; k < directions; k++) {
                const Steps steps(row(mask, b, s), row(sequence, b, s), s.length, in[k].reverse);
                Gradients<T> own = grad[k];
                own.B += g * s.batch * s.length * s.states;
                own.C += g * s.batch * s.length * s.states;
                T *const to_z = k == 0 ? grad_z : nullptr;
                backward_group(in[k], own, group, steps, z, y, grad_out, grad_state[k], checkpoints[k], to_z);
                group.clear(own.u, steps.invalid);
                group.clear(own.delta, steps.invalid);
                if (to_z) group.clear(to_z, steps.invalid);
                for (int64_t t : steps.invalid) {
                    const int64_t row = (b * s.length + t) * s.states;
                    std::fill(own.B + row, own.B + row + s.states, T(0));
                    std::fill(own.C + row, own.C + row + s.states, T(0));
                }
            }
        }
}

}  // namespace

extern "C" {

int64_t scan_chunk() { return CHUNK; }

#define SCAN(NAME, T)                                                                                                  \
    void scan_forward_##NAME(const Inputs<T> *in, int64_t directions, const T *z, const uint8_t *mask,                 \
                             const int32_t *sequence, const Sizes *sizes, T *y, T *out, T **state, T **checkpoints,    \
                             int64_t groups, int64_t threads) {                                                        \
        forward<T>(in, directions, z, mask, sequence, *sizes, y, out, state, checkpoints, groups, threads);            \
    }                                                                                                                  \
    void scan_backward_##NAME(const Inputs<T> *in, const Gradients<T> *grad, int64_t directions, const T *z,           \
                              const uint8_t *mask, const int32_t *sequence, const Sizes *sizes, const T *y,            \
                              const T *grad_out, const T *const *grad_state, const T *const *checkpoints, T *grad_z,   \
                              int64_t groups, int64_t threads) {                                                       \
        backward<T>(in, grad, directions, z, mask, sequence, *sizes, y, grad_out, grad_state, checkpoints, grad_z,     \
                    groups, threads);                                                                                  \
    }

SCAN(float, float)
SCAN(double, double)
}
