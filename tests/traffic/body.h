/*
 * body.h - bodies whose every byte follows from a seed and its place, and blocking sockets.
 *
 * What body_client and body_origin have in common. Neither tells the other what it expects: a shift
 * by a single byte, or a byte of another body, is seen where it is read.
 */
#pragma once
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BLOCK = 16384, LINE = 4096 };

/* Reads ahead, since a head is followed by its body or by the next head. */
struct stream {
	int fd;
	size_t at, end;
	char buf[BLOCK];
};

static inline uint64_t body_mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return x ^ (x >> 31);
}

static inline void body_fill(uint64_t seed, uint64_t at, char *out, size_t n)
{
	for (size_t i = 0; i < n;) {
		uint64_t word = body_mix(seed * 0x9e3779b97f4a7c15ull + ((at + i) >> 3));
		size_t skip = (at + i) & 7, take = 8 - skip < n - i ? 8 - skip : n - i;

		memcpy(out + i, (char *)&word + skip, take);
		i += take;
	}
}

static inline bool stream_more(struct stream *s)
{
	ssize_t n = recv(s->fd, s->buf, sizeof(s->buf), 0);

	s->at = 0;
	s->end = n > 0 ? (size_t)n : 0;
	return n > 0;
}

/* Without its ending; false at the end of the stream, after a time-out, or where it is too long. */
static inline bool stream_line(struct stream *s, char *out)
{
	for (size_t n = 0; n < LINE; n++) {
		if (s->at == s->end && !stream_more(s))
			return false;
		out[n] = s->buf[s->at++];
		if (out[n] != '\n')
			continue;
		if (n > 0 && out[n - 1] == '\r')
			n--;
		out[n] = '\0';
		return true;
	}
	return false;
}

/* Whose bytes came instead: of another place, or what they look like. */
static inline void body_tell(uint64_t seed, uint64_t at, const char *got, size_t n, uint64_t of)
{
	char want[16];

	printf("at %lu of %lu:", at, of);
	for (size_t i = 0; i < n && i < 48; i++)
		printf(got[i] > ' ' && got[i] < 127 ? "%c" : " %02x", (unsigned char)got[i]);
	for (uint64_t i = 0; n >= sizeof(want) && i + sizeof(want) <= of; i++) {
		body_fill(seed, i, want, sizeof(want));
		if (memcmp(want, got, sizeof(want)) == 0)
			printf(" (the bytes of %lu)", i);
	}
	putchar('\n');
}

/* How many bytes came as they must be; all n where all is well. */
static inline uint64_t stream_body(struct stream *s, uint64_t seed, uint64_t n)
{
	char want[BLOCK];
	uint64_t got = 0;

	while (got < n) {
		size_t part;

		if (s->at == s->end && !stream_more(s))
			return got;
		part = s->end - s->at < n - got ? s->end - s->at : (size_t)(n - got);
		body_fill(seed, got, want, part);
		if (memcmp(want, s->buf + s->at, part) != 0) {
			size_t same = 0;

			while (want[same] == s->buf[s->at + same])
				same++;
			got += same;
			body_tell(seed, got, s->buf + s->at + same, part - same, n);
			errno = EILSEQ;
			return got;
		}
		s->at += part;
		got += part;
	}
	return got;
}

static inline bool send_all(int fd, const char *at, size_t n)
{
	while (n > 0) {
		ssize_t sent = send(fd, at, n, MSG_NOSIGNAL);

		if (sent <= 0)
			return false;
		at += sent;
		n -= (size_t)sent;
	}
	return true;
}

static inline bool send_body(int fd, uint64_t seed, uint64_t n)
{
	char block[BLOCK];

	for (uint64_t at = 0; at < n;) {
		size_t part = n - at < sizeof(block) ? (size_t)(n - at) : sizeof(block);

		body_fill(seed, at, block, part);
		if (!send_all(fd, block, part))
			return false;
		at += part;
	}
	return true;
}

/* The next number that the socket will send (TCP_SEND_QUEUE) or expects (TCP_RECV_QUEUE). */
static inline uint32_t body_seq(int fd, int queue)
{
	int on = TCP_REPAIR_ON, off = TCP_REPAIR_OFF_NO_WP;
	uint32_t seq = 0;
	socklen_t len = sizeof(seq);

	setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, &queue, sizeof(queue));
	getsockopt(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, &seq, &len);
	setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &off, sizeof(off));
	return seq;
}

/* So many numbers before 2^32, or fewer. */
static inline bool body_near_wrap(uint32_t seq, uint32_t within)
{
	return 0u - seq <= within && seq != 0;
}
