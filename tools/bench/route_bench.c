/*
 * route_bench - what a look-up costs: 100 to 100000 routes, half of them exact paths and half
 * prefixes, asked at random; how long compiling takes and how much memory; a thousand expressions.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "userspace/base/arena.h"
#include "userspace/base/clock.h"
#include "userspace/base/must.h"
#include "userspace/route/regex.h"
#include "userspace/route/router.h"

enum { BATCH = 16, BATCHES = 20001, TEXT_MAX = 64 };

static uint64_t state = 88172645463325252ull;

static uint32_t below(uint32_t limit)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)((state >> 32) * limit >> 32);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static struct span no_field(const void *context, struct span name)
{
	(void)context, (void)name;
	return (struct span){ NULL, 0 };
}

struct bench {
	struct arena *arena;
	struct route_table table;
	uint32_t hosts;
	double compile_ms, bytes_each;
};

static const char *keep(struct bench *b, const char *text)
{
	return arena_text(b->arena, span_of(text));
}

static void write_route(struct bench *b, struct route *r, uint32_t i, bool regex)
{
	char text[TEXT_MAX];

	r->order = i;
	r->name = "r";
	snprintf(text, sizeof(text), "host-%u.example.com", i % b->hosts);
	r->host = keep(b, text);
	r->path_kind = regex ? PATH_REGEX : i / b->hosts % 2 ? PATH_EXACT : PATH_PREFIX;
	if (regex) {
		snprintf(text, sizeof(text), "/s%u/users/[0-9]+/%u", i / b->hosts, i);
		r->regex = regex_create(b->arena, text, NULL);
		r->path = regex_text(r->regex);
	} else {
		snprintf(text, sizeof(text), "/api/v2/service-%u/items-%u", i / b->hosts, i);
		r->path = keep(b, text);
	}
}

/* Bytes of the heap, in small pieces and in large ones. */
static size_t heap(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

static struct bench build(uint32_t count, uint32_t hosts, bool regex)
{
	struct bench b = { .arena = arena_create(), .hosts = hosts, .table = { .count = count } };
	size_t before = heap(), routes;
	uint64_t began;

	b.table.routes = arena_take(b.arena, count * sizeof(b.table.routes[0]));
	routes = heap() - before;
	for (uint32_t i = 0; i < count; i++)
		write_route(&b, &b.table.routes[i], i, regex);
	before = heap() - routes;
	began = clock_ns(CLOCK_MONOTONIC);
	router_compile(b.arena, &b.table);
	b.compile_ms = (double)(clock_ns(CLOCK_MONOTONIC) - began) / 1e6;
	b.bytes_each = (double)(heap() - before) / count;
	return b;
}

/* Requests that were just read are in the cache; routes are wherever they are: their texts are made
 * again from their numbers, without touching them. */
static double median_ns(const struct bench *b, bool regex)
{
	static double ns[BATCHES];
	char hosts[BATCH][TEXT_MAX], paths[BATCH][TEXT_MAX];
	struct route_request req[BATCH];

	for (int batch = 0; batch < BATCHES; batch++) {
		uint64_t began;

		for (int i = 0; i < BATCH; i++) {
			uint32_t number = below(b->table.count);

			snprintf(hosts[i], TEXT_MAX, "host-%u.example.com", number % b->hosts);
			snprintf(paths[i], TEXT_MAX,
				 regex ? "/s%u/users/42/%u" : "/api/v2/service-%u/items-%u%s",
				 number / b->hosts, number, number / b->hosts % 2 ? "" : "/x");
			req[i] = (struct route_request){ .host = span_of(hosts[i]),
							 .path = span_of(paths[i]),
							 .method = SPAN("GET"),
							 .field = no_field };
		}
		began = clock_ns(CLOCK_MONOTONIC);
		for (int i = 0; i < BATCH; i++)
			MUST(router_find(&b->table, &req[i]));
		ns[batch] = (double)(clock_ns(CLOCK_MONOTONIC) - began) / BATCH;
	}
	qsort(ns, BATCHES, sizeof(ns[0]), by_value);
	return ns[BATCHES / 2];
}

int main(void)
{
	static const uint32_t counts[] = { 100, 1000, 10000, 100000 };
	double first = 0;

	printf("routes, exact paths and prefixes in turn, asked at random; a struct route has %zu "
	       "bytes\n",
	       sizeof(struct route));
	printf("  %8s %8s %12s %8s %12s %14s\n", "routes", "hosts", "look-up ns", "x", "compile ms",
	       "bytes a route");
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		uint32_t hosts = counts[i] < 1000 ? 10 : counts[i] < 100000 ? 100 : 1000;
		struct bench b = build(counts[i], hosts, false);
		double ns = median_ns(&b, false);

		first = i == 0 ? ns : first;
		printf("  %8u %8u %12.0f %8.2f %12.1f %14.0f\n", counts[i], hosts, ns, ns / first,
		       b.compile_ms, b.bytes_each);
		arena_destroy(b.arena);
	}
	struct bench b = build(1000, 1, true);
	printf("  1000 expressions on one host: %.0f ns a look-up, compiled in %.1f ms (without "
	       "reading)\n",
	       median_ns(&b, true), b.compile_ms);
	arena_destroy(b.arena);
	return 0;
}
