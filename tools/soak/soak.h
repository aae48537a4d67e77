/*
 * soak.h - what the load and the endpoints of a soak have agreed on.
 *
 * Every request has a number. The number alone says what is asked, what is sent and what must come
 * back, so that each side can judge each byte without hearing of the other. What happened to each
 * number stands in a file that all map: it outlives the endpoints, which are killed.
 */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum soak_kind {
	SOAK_GET,         /* some hundred bytes */
	SOAK_GET_MORE,    /* 10 KB */
	SOAK_GET_CHUNKED, /* 10 KB in chunks */
	SOAK_HEAD,
	SOAK_POST,         /* 10 KB up, its checksum down */
	SOAK_POST_CHUNKED, /* the same in chunks */
	SOAK_POST_LARGE,   /* 200 KB */
};

enum { SOAK_BODY_MAX = 200000, SOAK_CHUNK = 3000 };

/* Of one request, in the file. */
struct soak_fate {
	_Atomic uint8_t seen;     /* by endpoints: heads read */
	_Atomic uint8_t answered; /* by endpoints: answers that were written to their ends */
	_Atomic uint8_t done;     /* by the client: 1 good, 2 failed */
	_Atomic uint8_t posted;   /* 1: by the client, which may not be asked twice */
};

static inline uint64_t soak_mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return x ^ (x >> 31);
}

static inline enum soak_kind soak_kind(uint64_t n)
{
	uint64_t of = soak_mix(n + 1) % 64;

	if (of < 40)
		return SOAK_GET;
	if (of < 48)
		return SOAK_GET_MORE;
	if (of < 52)
		return SOAK_GET_CHUNKED;
	if (of < 55)
		return SOAK_HEAD;
	if (of < 59)
		return SOAK_POST;
	return of < 63 ? SOAK_POST_CHUNKED : SOAK_POST_LARGE;
}

static inline bool soak_is_post(uint64_t n)
{
	return soak_kind(n) >= SOAK_POST;
}

/* Of the body that goes up or, where none does, comes down. */
static inline size_t soak_len(uint64_t n)
{
	switch (soak_kind(n)) {
	case SOAK_GET:
		return 1 + soak_mix(n) % 300;
	case SOAK_POST_LARGE:
		return SOAK_BODY_MAX;
	default:
		return 10000 + soak_mix(n) % 480;
	}
}

/* out: room for 7 bytes more than soak_len(n). */
static inline void soak_fill(uint64_t n, char *out)
{
	size_t len = soak_len(n);
	uint64_t x = soak_mix(n ^ 0x5eed);

	for (size_t i = 0; i < len; i += sizeof(x)) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		__builtin_memcpy(out + i, &x, sizeof(x));
	}
}

/* FNV-1a */
static inline uint64_t soak_sum(const char *at, size_t len)
{
	uint64_t sum = 0xcbf29ce484222325ull;

	for (size_t i = 0; i < len; i++)
		sum = (sum ^ (uint8_t)at[i]) * 0x100000001b3ull;
	return sum;
}

/* The fates of all requests, shared; NULL where the file cannot be mapped. */
struct soak_fate *soak_map(const char *path, uint64_t *out_count);

/* A peer that is read through a buffer; get and put are read() and write() or those of TLS. */
struct soak_peer {
	long (*get)(struct soak_peer *peer, void *at, size_t len);
	long (*put)(struct soak_peer *peer, const void *at, size_t len);
	void *tls;
	int fd;
	size_t first, end;
	char in[65536];
};

/* Of a message: what both sides look at. */
struct soak_head {
	char line[256];
	uint64_t number; /* X-Soak, or the number in a request's path; UINT64_MAX: none */
	int64_t length;  /* -1: none */
	bool chunked, close;
};

bool soak_put(struct soak_peer *peer, const void *at, size_t len);
/* Each false, with *why, where the peer ended or what it says is not as it should be. */
bool soak_read_head(struct soak_peer *peer, struct soak_head *out, const char **why);
/* A body with these framings, at most cap bytes. */
bool soak_read_body(struct soak_peer *peer, const struct soak_head *head, char *out, size_t cap,
		    size_t *out_len, const char **why);
/* A body in chunks, whose sizes come from the number. */
bool soak_put_chunked(struct soak_peer *peer, uint64_t n, const char *at, size_t len);
