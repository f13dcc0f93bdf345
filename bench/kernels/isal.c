/* Measures ISA-L; arguments and output as in run.ts. */
#include <isa-l.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TABLE_BYTES 32
#define ALIGNMENT 64

typedef struct {
    int k, n, lost;
    int shard_bytes;
    unsigned char *matrix;  /* n rows of k */
    unsigned char *tables;  /* of the parity rows */
    unsigned char **shards; /* n of them */
    unsigned char **rebuilt; /* `lost` of them */
} Code;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec * 1e-9;
}

static void *room(size_t bytes) {
    void *memory = aligned_alloc(ALIGNMENT, (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
    if (!memory) exit(2);
    memset(memory, 0, bytes);
    return memory;
}

static void encode(Code *code) {
    ec_encode_data(code->shard_bytes, code->k, code->n - code->k, code->tables, code->shards, code->shards + code->k);
}

/* The lost shards are rows of the inverse of what is left: data shards that are there, then parity. */
static void decode(Code *code) {
    int k = code->k;
    unsigned char *left = room((size_t)k * k), *inverse = room((size_t)k * k);
    unsigned char *tables = room((size_t)TABLE_BYTES * k * code->lost);
    unsigned char **from = room(sizeof(*from) * k);
    for (int row = 0; row < k; row++) {
        int shard = code->lost + row;
        memcpy(left + (size_t)row * k, code->matrix + (size_t)shard * k, k);
        from[row] = code->shards[shard];
    }
    if (gf_invert_matrix(left, inverse, k) != 0) exit(3);
    ec_init_tables(k, code->lost, inverse, tables);
    ec_encode_data(code->shard_bytes, k, code->lost, tables, from, code->rebuilt);
    free(left);
    free(inverse);
    free(tables);
    free(from);
}

static double repeat(void (*work)(Code *), Code *code, double seconds) {
    double start = now();
    for (long times = 1;; times++) {
        work(code);
        double elapsed = now() - start;
        if (elapsed >= seconds) return times / elapsed;
    }
}

static double rate(void (*work)(Code *), Code *code, double seconds) {
    repeat(work, code, seconds / 4);
    return repeat(work, code, seconds) * code->k * code->shard_bytes;
}

int main(int count, char **arguments) {
    if (count != 7) return 1;
    Code code = {.k = atoi(arguments[3]), .n = atoi(arguments[4]), .shard_bytes = atoi(arguments[5])};
    double seconds = atof(arguments[6]);
    int parity = code.n - code.k;
    code.lost = parity < code.k ? parity : code.k;
    code.matrix = room((size_t)code.n * code.k);
    code.tables = room((size_t)TABLE_BYTES * code.k * parity);
    code.shards = room(sizeof(*code.shards) * code.n);
    code.rebuilt = room(sizeof(*code.rebuilt) * code.lost);
    FILE *input = fopen(arguments[1], "rb");
    if (!input) return 1;
    for (int at = 0; at < code.n; at++) {
        code.shards[at] = room(code.shard_bytes);
        if (at < code.k && fread(code.shards[at], 1, code.shard_bytes, input) != (size_t)code.shard_bytes) return 1;
    }
    fclose(input);
    for (int at = 0; at < code.lost; at++) code.rebuilt[at] = room(code.shard_bytes);
    gf_gen_cauchy1_matrix(code.matrix, code.n, code.k);
    ec_init_tables(code.k, parity, code.matrix + (size_t)code.k * code.k, code.tables);
    double encode_rate = rate(encode, &code, seconds);
    double decode_rate = rate(decode, &code, seconds);
    FILE *output = fopen(arguments[2], "wb");
    if (!output) return 1;
    for (int at = 0; at < code.k; at++)
        fwrite(at < code.lost ? code.rebuilt[at] : code.shards[at], 1, code.shard_bytes, output);
    fclose(output);
    printf("{\"encode\":%.0f,\"decode\":%.0f}\n", encode_rate, decode_rate);
    return 0;
}
