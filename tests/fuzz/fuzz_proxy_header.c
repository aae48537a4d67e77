/*
 * PROXY headers: every beginning of a good or bad one asks for more or gives the same answer, and
 * what is written of a good one, in either version, is read back as it was.
 */
#include <stdlib.h>

#include "userspace/base/must.h"
#include "userspace/net/proxy_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A parse of a copy of exactly n bytes, to which the spans of *out_header lead. */
struct parse {
	char *copy;
	enum proxy_header_result got;
	enum proxy_header_reason why;
	struct proxy_header header;
};

static struct parse parse_copy(const uint8_t *data, size_t n)
{
	struct parse p = { .copy = malloc(n ? n : 1) };

	if (n > 0)
		memcpy(p.copy, data, n);
	p.got = proxy_header_parse(span_make(p.copy, n), &p.header, &p.why);
	return p;
}

static bool is_same(const struct proxy_header *a, const struct proxy_header *b)
{
	return addr_is(&a->source, &b->source) && addr_is(&a->destination, &b->destination) &&
	       span_is(a->alpn, b->alpn) && span_is(a->authority, b->authority) &&
	       span_is(a->unique_id, b->unique_id) && a->has_addresses == b->has_addresses &&
	       a->is_local == b->is_local && a->is_datagram == b->is_datagram &&
	       a->has_checksum == b->has_checksum;
}

static bool is_inside(struct span part, const struct parse *p, size_t max)
{
	return part.len <= max && (!part.at || (part.at >= p->copy + PROXY_HEADER_V2_HEAD &&
						part.at + part.len <= p->copy + p->header.used));
}

static void check_header(const struct parse *p, size_t size)
{
	const struct proxy_header *h = &p->header;

	MUST(h->version == 1 || h->version == 2);
	MUST(h->used > 0 && h->used <= size);
	MUST(h->used <= (h->version == 1 ? PROXY_HEADER_V1_MAX : PROXY_HEADER_MAX));
	MUST(is_inside(h->alpn, p, PROXY_HEADER_ALPN_MAX));
	MUST(is_inside(h->authority, p, PROXY_HEADER_AUTHORITY_MAX));
	MUST(is_inside(h->unique_id, p, PROXY_HEADER_UNIQUE_ID_MAX));
	MUST(!h->is_local || !h->has_addresses);
}

/* What version can say of h; headers without addresses are written without anything else. */
static struct proxy_header sayable(const struct proxy_header *h, uint8_t version)
{
	struct proxy_header say = *h;

	say.version = version;
	if (version == 2 && h->has_addresses)
		return say;
	say = (struct proxy_header){ .version = version };
	if (version == 2) {
		say.is_local = h->is_local;
	} else if (h->has_addresses && !h->is_datagram) {
		say.source = h->source;
		say.destination = h->destination;
		say.has_addresses = true;
	}
	return say;
}

/* A bit of the addresses changed must be noticed. */
static void check_checksum(char *out, size_t len, unsigned choice)
{
	enum proxy_header_reason why;
	struct proxy_header got;

	out[PROXY_HEADER_V2_HEAD + choice % 12] ^= (char)(1 << choice / 12 % 8);
	MUST(proxy_header_parse(span_make(out, len), &got, &why) == PROXY_HEADER_REJECT);
	MUST(why == PROXY_HEADER_CHECKSUM);
}

static void check_written(struct proxy_header header, uint8_t version, unsigned choice)
{
	struct proxy_header say = sayable(&header, version), got;
	char *out = malloc(PROXY_HEADER_WRITE_MAX);
	enum proxy_header_reason why;
	size_t len;

	header.version = version;
	len = proxy_header_write(&header, out);
	MUST(len > 0 && len <= PROXY_HEADER_WRITE_MAX);
	MUST(version == 2 || len <= PROXY_HEADER_V1_MAX);
	MUST(proxy_header_parse(span_make(out, len), &got, &why) == PROXY_HEADER_DONE);
	MUST(got.used == len && got.version == version && is_same(&got, &say));
	MUST(proxy_header_parse(span_make(out, len - 1), &got, &why) == PROXY_HEADER_NEED_MORE);
	if (say.has_checksum)
		check_checksum(out, len, choice);
	free(out);
}

/* The answer to the beginnings of data: the first that is one must stay, up to the whole. */
static void check_beginnings(const uint8_t *data, size_t size, const struct parse *whole)
{
	bool answered = false;

	for (size_t n = 0; n < size; n += size > 600 ? 37 : 1) {
		struct parse part = parse_copy(data, n);

		MUST(part.got == whole->got || (!answered && part.got == PROXY_HEADER_NEED_MORE));
		if (part.got == PROXY_HEADER_DONE)
			MUST(is_same(&part.header, &whole->header) &&
			     part.header.used == whole->header.used && n >= part.header.used);
		if (part.got == PROXY_HEADER_REJECT)
			MUST(part.why == whole->why);
		if (part.got == PROXY_HEADER_NEED_MORE)
			MUST(n < PROXY_HEADER_MAX);
		answered = part.got != PROXY_HEADER_NEED_MORE;
		free(part.copy);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct parse whole;

	if (size > 4096)
		return 0;
	whole = parse_copy(data, size);
	check_beginnings(data, size, &whole);
	if (whole.got == PROXY_HEADER_REJECT)
		MUST(whole.why > PROXY_HEADER_NONE && whole.why < PROXY_HEADER_REASONS_COUNT);
	if (whole.got == PROXY_HEADER_DONE) {
		check_header(&whole, size);
		check_written(whole.header, 1, 0);
		check_written(whole.header, 2, data[size - 1]);
		/* The fuzzer alone would hardly ever guess a checksum. */
		whole.header.has_checksum = true;
		check_written(whole.header, 2, data[size - 1]);
	}
	free(whole.copy);
	return 0;
}
